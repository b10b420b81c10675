//! Codes about channel, routing, events, tokens, configuration and cutover. Not all of them are
//! found by the dry run: some need channel metadata or a live check.

use super::codes;
use crate::report::finding::{Code, Entry, Severity};

codes! {
CH201 "parameter-undeclared" Error "The channel declares no parameter for a key"
    "MIAW drops the attribute without a word."
    "Add a custom parameter whose channel variable is exactly this key, and map it to a flow variable.";
CH202 "parameter-unverified" Warning "A generated key needs a channel parameter"
    "No channel metadata was given; if the parameter does not exist, MIAW drops the attribute without a word."
    "Add a custom parameter whose channel variable is exactly this key, map it to a flow variable, and publish.";
CH203 "parameter-unmapped" Error "A channel parameter is mapped to no flow variable"
    "The value reaches the channel and ends there."
    "Add a parameter mapping to a flow variable.";
CH204 "queue-routing" Error "The channel routes to a queue, not to a flow"
    "Nothing receives the attributes."
    "Set Omni-Channel Routing to Omni-Flow with a fallback queue.";
CH205 "standard-parameter" Note "A standard parameter is needed on the channel"
    "The standard parameters exist but must be chosen and mapped."
    "Add the standard parameter to the channel and map it to a flow variable.";
CH206 "mapped-parameter" Note "A mapped key needs a channel parameter"
    "The mapping file names the key; the channel must declare it in the same spelling."
    "Add the custom parameter and map it to the flow variable, if not done already.";
CH207 "parameter-not-text" Warning "A channel parameter has another type than text"
    "Attributes are always sent as text; whether it is taken as a number or a date is up to the flow."
    "Make the parameter a String and convert in the flow.";
CH210 "fallback-queue" Error "The fallback queue is missing or empty"
    "A chat the flow cannot place is never answered."
    "Set a fallback queue with members.";
CH211 "channel-inactive" Error "The channel is not active or not published"
    "No conversation can start."
    "Activate the channel and publish the deployment; it takes up to ten minutes.";
CH220 "parameter-unfed" Warning "A channel parameter is fed by no detail"
    "The flow variable stays empty."
    "Feed it by a rule or a constant, or remove it.";
RT301 "button-without-target" Error "A button has no target"
    "MIAW knows no buttons; a chat from this one cannot be placed."
    "Name the deployment, and if needed a constant, for this button.";
RT302 "direct-routing-lost" Warning "Routing to an agent or by button override is lost"
    "agentId, doFallback and buttonOverrides have no successor on the wire."
    "Route in the Omni-Channel flow, for instance by a constant or an attribute.";
RT303 "button-settings-lost" Note "Settings of the button are not carried over"
    "Skills, queue lengths and re-route attempts live elsewhere in MIAW."
    "Set them on queue, presence configuration and flow.";
EV401 "position-or-wait" Warning "Only one of queue position and wait time can be on"
    "The other one is filled with -1."
    "Choose one on the channel.";
EV402 "agent-end" Note "An agent's end is not a close event"
    "The end is taken from the session's status."
    "Nothing.";
EV403 "transfer-looks-like-end" Note "A transfer looks like the agent leaving"
    "The bridge asks the routing status and waits before it ends the chat."
    "Nothing.";
EV404 "inactive-is-not-ended" Warning "An inactive session is not an ended one"
    "MIAW ends an inactive session only after a day or more."
    "Set idle timeouts on the channel, or use session-based chat.";
EV405 "agent-name" Note "The agent's name may be an alias"
    "What visitors see depends on the org's settings."
    "Check the display name of agents.";
OM101 "capacity-weight" Note "How much a chat counts is set in the routing configuration"
    "With a weight of 0 an agent is given any number of chats at once; legacy had a capacity of its own."
    "Set capacity weight or percentage on the queue's routing configuration.";
OM102 "capacity-model" Note "Capacity by status changes when a chat counts"
    "With status-based capacity a chat counts until it is ended, and the inactivity timer does not run."
    "Choose tab-based capacity on the service channel, or let agents end chats.";
AV501 "availability-unknown" Warning "Anonymous availability does not exist"
    "Legacy told clients whether agents are there; MIAW does not."
    "Choose how the bridge answers availability for this tenant.";
AV502 "nobody-online" Warning "MIAW may wait for ever when nobody is online"
    "Legacy answered Unavailable."
    "Check fallback queue and agent availability; the bridge gives up after its accept timeout.";
TK601 "token-life" Warning "A chat can outlive its token"
    "The bridge ends it politely before the token expires."
    "Lengthen the token's life on the channel.";
TK602 "silently-anonymous" Error "An identity token was silently taken as anonymous"
    "The visitor is not verified, though the answer was 200."
    "Check the key set and the claims of the identity token.";
FL701 "file-limits" Warning "File types or sizes differ between the two sides"
    "Legacy's agents could ask for a file; MIAW's cannot, and what a visitor may send is set on the channel."
    "Turn attachments on and align types and size on the channel; tell agents to ask for a link.";
NW801 "stream-buffered" Error "A proxy holds the event stream back"
    "Replies arrive late or never."
    "Turn buffering off for text/event-stream.";
RL901 "rate-limit" Warning "The org's rate limits are near"
    "The bridge queues what exceeds them."
    "Spread the ramp, or ask Salesforce for higher limits.";
TR150 "transcript-throttled" Warning "A transcript as first messages exceeds the message rate"
    "More than 22 messages a minute are throttled."
    "Send the transcript as one message.";
LS101 "no-successor" Note "A legacy feature has no successor"
    "Sneak peek, geolocation, breadcrumbs and custom events are accepted and go nowhere."
    "Remove what depends on them.";
LS102 "post-chat-page-lost" Note "The post-chat page is not named any more"
    "Legacy told the client which page to open after the chat; MIAW tells none."
    "Let the client open its own page at the end of the chat.";
LS103 "switch-server-emulated" Note "SwitchServer is not needed any more"
    "Legacy could send clients to another host; behind the bridge the address never changes."
    "Nothing.";
LS104 "sensitive-data-rules-moved" Note "Sensitive data rules do not carry over"
    "Legacy's rules masked texts in chats; messaging has rules of its own."
    "Create the rules again for messaging before the cutover.";
LS105 "routing-members-lost" Note "Members of ChasitorInit that route have no effect"
    "agentId, doFallback and buttonOverrides are read and go nowhere: MIAW routes in the channel's flow."
    "Decide in the flow, by a routing attribute that the mapping fills.";
LS106 "browser-facts-lost" Note "What ChasitorInit says about the browser reaches nobody"
    "userAgent and screenResolution have no field in MIAW."
    "Send them as pre-chat details where agents need them.";
LS107 "messages-never-sent" Note "Messages that legacy sent and MIAW has no source for"
    "AgentDisconnect, CustomEvent, NewVisitorBreadcrumb, SensitiveDataRules, AsyncResult and Error never come."
    "Remove what waits for them.";
LS108 "members-always-empty" Note "Members of answers that are always empty"
    "attachedRecords, customDetails and transcriptSaveEnabled are there and say nothing."
    "Read records and transcripts from the org instead.";
RP101 "evidence-old" Warning "Evidence is old"
    "What clients send, and what the org is set to, may have changed since."
    "Capture or export again shortly before signing.";
RP102 "captured-line-unreadable" Warning "A line of captured chats or shadow counts cannot be read"
    "What is on it is not counted."
    "Check that the file is what the bridge wrote and was not cut off.";
RP103 "captured-tenant-unknown" Note "Captured chats or shadow counts belong to a tenant that is not looked at"
    "They are not counted."
    "Name the tenant in the configuration, or leave its capture out.";
RP104 "evidence-undated" Note "It is not known when evidence was made"
    "Files carry no date that survives copying, so only what says its own date has an age."
    "Give --evidence-at INSTANT for all of it, or --evidence-at FILE=INSTANT for one.";
RP105 "shadow-other-mapping" Warning "Shadow counts were made with another mapping"
    "They say nothing about the mapping of this report, and are not counted."
    "Let the bridge shadow live traffic with this mapping for a while.";
RP106 "shadow-only" Warning "Live traffic has a finding that nothing else shows"
    "The documents and captured chats of this report are not all that clients send."
    "Capture more chats, or add a document that shows it; explain CODE says what the finding means.";
OB160 "transcript-automation" Note "Reports and automation on LiveChatTranscript"
    "They see no new records after the cutover."
    "Rebuild them on MessagingSession.";
OB161 "session-automation" Note "Automation on MessagingSession"
    "A failing trigger or flow there can keep a session from ending."
    "Test the end of a session with all automation on.";
CF001 "base-url" Error "A base address is not what is expected"
    "Calls go to the wrong host or path."
    "Use the corrected address named in the message.";
CF002 "id-length" Note "An id has another length than documented"
    "15 and 18 characters are both accepted and compared on 15."
    "Nothing.";
CF003 "one-org-two-cutovers" Error "Two tenants share an org and differ in their cutover"
    "Rate limits and channels belong to the org."
    "Give both tenants the same dates.";
CU010 "clock-or-zone" Warning "Clock or time zone of the cutover need attention"
    "The announced date names no time zone."
    "Declare the instant with its zone.";
CU011 "chats-straddle-removal" Error "Chats may run into the removal"
    "A legacy chat that still runs at the removal is cut off."
    "Stop legacy starts earlier: widen the margin.";
}
