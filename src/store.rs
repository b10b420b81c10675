//! Where chats are remembered.
