-- Leaves bookmarks to Prosody where private storage is delegated to xmpp-private-storage: requests
-- for bookmarks alone go to mod_bookmarks, as before the delegation, and all else to the component.
-- So clients that use private storage see the rooms that Prosody keeps in PEP, also while the
-- component is away.
--
-- It goes beside "delegation" into the modules_enabled of a VirtualHost, not of the Component, and
-- needs no setting. mod_bookmarks need not be named: it is loaded with this.
--
-- Not for hosts that grant the component PEP (mod_privilege, privileged_entities): there it keeps
-- bookmarks in step by itself, and keeps what mod_bookmarks drops. With this loaded too, no room is
-- lost, but the component is not asked, and the log says so.
--
-- A set of bookmarks and other elements goes to the component whole: mod_bookmarks would drop the
-- others. Its rooms are then kept by the component alone. No client that is known to us sends such.

local xmlns_private = "jabber:iq:private";
local xmlns_bookmarks = "storage:bookmarks";
local xmlns_pubsub = "http://jabber.org/protocol/pubsub";

module:depends "bookmarks";

local delegation = module:get_option("delegations", {})[xmlns_private];
local privileges = delegation and module:get_option("privileged_entities", {})[delegation.jid];
if privileges and privileges.iq and privileges.iq[xmlns_pubsub] == "both" then
	module:log("warn", "%s may use PEP on %s and keeps bookmarks in step by itself: take private_bookmarks_here out",
		delegation.jid, module.host);
end

-- mod_delegation takes its namespaces at 2^32: one above it.
module:hook("iq/bare", function (event)
	local stanza = event.stanza;
	if not event.to_self or (stanza.attr.type ~= "get" and stanza.attr.type ~= "set") then return; end
	local query = stanza:get_child("query", xmlns_private);
	if query and #query.tags == 1 and query:get_child("storage", xmlns_bookmarks) then
		return module:fire_event("iq/bare/" .. xmlns_private .. ":query", event);
	end
end, 2^32 + 1);
