-- Read by the image's own configuration, behind it: what delegation to the component takes, and
-- the grant by which it keeps room bookmarks in step with PEP. compose.yaml gives the names.

-- The component is on another machine, as it were. Port 5347 is not published: the link is not
-- encrypted, and stays between these two containers.
component_interfaces = { "*" }

VirtualHost (ENV_DOMAIN)
  modules_enabled = { "delegation", "privilege" }
  modules_disabled = { "private" } -- what it has stored is kept, but no longer served
  delegations = { ["jabber:iq:private"] = { jid = ENV_COMPONENT } }
  -- It opens ALL that users keep in PEP to the component: there is no finer grain.
  privileged_entities = { [ENV_COMPONENT] = { iq = {
    ["http://jabber.org/protocol/pubsub"] = "both",
    ["http://jabber.org/protocol/pubsub#owner"] = "both" } } }

Component (ENV_COMPONENT)
  component_secret = FileLine("/run/secrets/component")
  modules_enabled = { "delegation", "privilege" } -- on both sides, or clients get errors
