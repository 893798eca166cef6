-- Read by the image's own configuration, behind it: what delegation to the component takes.
-- compose.yaml gives the names.

-- The component is on another machine, as it were. Port 5347 is not published: the link is not
-- encrypted, and stays between these two containers.
component_interfaces = { "*" }

VirtualHost (ENV_DOMAIN)
  modules_enabled = { "delegation" }
  modules_disabled = { "private" } -- what it has stored is kept, but no longer served
  delegations = { ["jabber:iq:private"] = { jid = ENV_COMPONENT } }

Component (ENV_COMPONENT)
  component_secret = FileLine("/run/secrets/component")
  modules_enabled = { "delegation" } -- on both sides, or clients get errors
