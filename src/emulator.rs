//! Both Salesforce services and an agent desk, for tests, the demo and development.
