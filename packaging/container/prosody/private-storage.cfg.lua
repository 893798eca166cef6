-- Read by the image's own configuration, behind it. compose.yaml gives the names.

-- The component is on another machine, as it were. Port 5347 is not published: the link is not
-- encrypted, and stays between these two containers.
component_interfaces = { "*" }

Component (ENV_COMPONENT)
  component_secret = FileLine("/run/secrets/component")
  modules_enabled = { "private_storage" }
  private_storage_hosts = { ENV_DOMAIN }
