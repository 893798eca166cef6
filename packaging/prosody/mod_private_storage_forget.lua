-- Tells xmpp-private-storage of accounts that are deleted, so that nobody who registers such a
-- name again meets what its old owner had stored.
--
-- It goes beside "delegation" into the modules_enabled of a VirtualHost, and needs no setting:
-- the component is the one that jabber:iq:private is delegated to.
--
-- The component is told at once, and so before anything that a new owner of the name could ask.
-- A deletion that it has not confirmed is kept, told again whenever it logs in, before all other
-- stanzas, and until then the name cannot be registered.
--
-- Only what is deleted inside of Prosody is seen: by clients (XEP-0077), through the admin shell,
-- and with Prosody 13 by prosodyctl. That of 0.12 works in a process of its own: there, use
-- `prosodyctl shell user delete JID`.

local st = require "util.stanza";
local new_id = require "util.id".medium;

local xmlns = "urn:xmpp-private-storage:0";
local again_after = 300; -- seconds, when the component has refused or failed

local delegation = module:get_option("delegations", {})["jabber:iq:private"];
local component = delegation and delegation.jid;
if not component then
	error("no component to tell: delegations has no jid for jabber:iq:private on " .. module.host);
end

-- username → id of the request that has not been answered yet. In the host's store, not in the
-- user's: that goes with the user.
local store = module:open_store();
local pending, failure = store:get(nil);
if failure then
	error("cannot read which deletions the component has not confirmed: " .. tostring(failure));
end
pending = pending or {};

local function save()
	local ok, err = store:set(nil, next(pending) and pending or nil);
	if not ok then
		module:log("error", "Cannot keep which deletions %s has not confirmed: %s", component, err);
	end
end

local function tell(username)
	module:send(st.iq({ type = "set", id = pending[username], from = module.host, to = component })
		:tag("forget", { xmlns = xmlns, jid = username .. "@" .. module.host }));
end

local function tell_all()
	-- An answer may come, and change the table, while it is gone through.
	local usernames = {};
	for username in pairs(pending) do usernames[#usernames + 1] = username; end
	for _, username in ipairs(usernames) do tell(username); end
end

module:hook_global("user-deleted", function (event)
	if event.host ~= module.host then return; end
	pending[event.username] = new_id() .. ":" .. event.username;
	save();
	tell(event.username);
end);

module:hook("iq/host", function (event)
	local iq = event.stanza;
	local kind, id = iq.attr.type, iq.attr.id;
	if iq.attr.from ~= component or (kind ~= "result" and kind ~= "error") then return; end
	local username = id and id:match("^[^:]+:(.+)$");
	if not username or pending[username] ~= id then return; end
	if kind == "result" then
		pending[username] = nil;
		save();
		module:log("debug", "%s has forgotten %s", component, username);
		return true;
	end
	local _, condition, text = iq:get_error();
	if condition == "remote-server-timeout" then
		module:log("info", "%s is not connected: it will be told of a deleted account when it is", component);
		return true;
	end
	module:log("warn", "%s has not forgotten a deleted account, and is told again: %s (%s)",
		component, condition, text or "no reason given");
	module:add_timer(again_after, function ()
		if pending[username] == id then tell(username); end
	end);
	return true;
end, 10);

module:hook("user-registering", function (event)
	if not pending[event.username] then return; end
	event.allowed = false;
	event.error = {
		type = "wait", condition = "conflict",
		text = "This name was given up a moment ago and is not free yet; please try again later.",
	};
	return true;
end);

-- The component's host may come after this one, and again after a change of the configuration.
local function watch(host)
	if host ~= component then return; end
	module:context(component):hook("component-authenticated", tell_all);
end

module:hook_global("host-activated", watch);
if prosody.hosts[component] then
	watch(component);
	tell_all();
end
