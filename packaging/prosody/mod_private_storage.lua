-- Private storage (XEP-0049) of a host's users, kept by the component xmpp-private-storage.
--
-- One file is all that Prosody needs, and nothing from prosody-modules:
--
--   Component "private.example.org"
--     component_secret = "…"
--     modules_enabled = { "private_storage" }
--     private_storage_hosts = { "example.org" }
--
-- Loaded on the Component, it loads itself on the hosts that are named there. Or enable it in a
-- VirtualHost, and set private_storage_component = "private.example.org" there.
--
-- On the host it
--   * hands requests for private storage to the component (XEP-0355), as mod_delegation would, but
--     also those with white space around the payload, and answers those that the component leaves
--     without an answer for private_storage_timeout seconds (90);
--   * lets the component keep room bookmarks in step with PEP (XEP-0356): of all that users keep
--     in PEP it may read and write the node of their bookmarks, and nothing else;
--   * tells the component of accounts that are deleted, so that nobody who registers such a name
--     again meets what its old owner had stored;
--   * lets another instance of the component follow one whose machine has vanished: see below,
--     "Instances that stand by".
--
-- private_storage_bookmarks says what becomes of room bookmarks:
--   "pep"     the component keeps them in step with PEP; the default;
--   "server"  requests for bookmarks alone stay with mod_bookmarks, which is loaded for that; the
--             component has no access to PEP;
--   "off"     the component keeps those of old clients apart from those in PEP.
--
-- Other components' delegations and privileges are not touched, and mod_delegation and
-- mod_privilege may be loaded for them. Where nothing but a host's own `delegations` names a component
-- for jabber:iq:private, that is the component, and what it may do with PEP stays with mod_privilege.

local config = require "core.configmanager";
local modulemanager = require "core.modulemanager";
local user_exists = require "core.usermanager".user_exists;
local jid = require "util.jid";
local new_id = require "util.id".medium;
local sha1 = require "util.hashes".sha1;
local set = require "util.set";
local st = require "util.stanza";

local xmlns_private = "jabber:iq:private";
local xmlns_disco = "http://jabber.org/protocol/disco#info";
local xmlns_pubsub = "http://jabber.org/protocol/pubsub";
local xmlns_delegation = "urn:xmpp:delegation:2";
local xmlns_ping = "urn:xmpp:ping";
local xmlns_privilege = "urn:xmpp:privilege:2";
local xmlns_forward = "urn:xmpp:forward:0";
local xmlns_bookmarks = "urn:xmpp:bookmarks:1";
local xmlns_forget = "urn:xmpp-private-storage:0";

-- Names as Prosody has those of its hosts.
local function prepped(names)
	local them = set.new();
	for _, name in ipairs(type(names) == "table" and names or { names }) do
		them:add(jid.prep(tostring(name)) or name);
	end
	return them;
end

-- On the Component: the hosts that it names load this module too.

if module:get_host_type() == "component" then
	local named = prepped(module:get_option("private_storage_hosts", {}));
	local loaded = set.new();

	local function load_on(host)
		if not named:contains(host) or modulemanager.is_loaded(host, module.name) then return; end
		if modulemanager.load(host, module.name) then loaded:add(host); end
	end

	-- After the host's own modules.
	module:hook_global("host-activated", load_on, -1);
	for host in named do
		if prosody.hosts[host] then load_on(host); end
	end

	if named:empty() then module:log("warn", "private_storage_hosts names no host"); end
	module:hook_global("server-started", function ()
		for host in named do
			if not prosody.hosts[host] then
				module:log("error", "private_storage_hosts names %s, and there is no such host", host);
			end
		end
	end);

	function module.unload()
		for host in loaded do
			if prosody.hosts[host] then modulemanager.unload(host, module.name); end
		end
	end
	return;
end

-- On a host.

-- How many requests of the host may wait for the component at a time.
local most_pending = 10000;
-- Seconds until the component is told again of a deleted account, when it has refused or failed.
local again_after = 300;
-- Seconds until it is tried again to read them from the host's storage.
local read_after = 10;
-- Seconds that a connected component has to say that it lives, when another instance wants to connect.
local lives_within = 10;

-- The component's address, what it says of bookmarks, and what becomes of them if nobody says it.
local function find_component()
	local named = module:get_option_string("private_storage_component");
	if named then return jid.prep(named) or named, nil, "pep"; end
	local found, of_bookmarks;
	for name, options in pairs(config.getconfig()) do
		local hosts = rawget(options, "component_module") and rawget(options, "private_storage_hosts");
		if hosts and prepped(hosts):contains(module.host) then
			if found then error(found .. " and " .. name .. " both name it in private_storage_hosts", 0); end
			found, of_bookmarks = name, rawget(options, "private_storage_bookmarks");
		end
	end
	if found then return found, of_bookmarks, "pep"; end
	local delegation = module:get_option("delegations", {})[xmlns_private];
	return delegation and delegation.jid, nil, "off";
end

-- What the configuration says: the component, what becomes of bookmarks, and how long a reply may take.
local function configured()
	local component, bookmarks, by_default = find_component();
	if not component then
		error("no component keeps it: set private_storage_component to its address", 0);
	end

	bookmarks = module:get_option_string("private_storage_bookmarks", bookmarks);
	if not bookmarks then
		local enabled = module:get_option_inherited_set("modules_enabled", {});
		bookmarks = enabled:contains("private_bookmarks_here") and "server" or by_default;
	end
	if bookmarks ~= "pep" and bookmarks ~= "server" and bookmarks ~= "off" then
		error("private_storage_bookmarks is \"pep\", \"server\" or \"off\", not \"" .. tostring(bookmarks) .. "\"", 0);
	end
	if bookmarks == "server" then
		module:depends "bookmarks";
		local privileges = module:get_option("privileged_entities", {})[component];
		if privileges and privileges.iq and privileges.iq[xmlns_pubsub] then
			module:log("warn", "%s may use PEP by privileged_entities, and is not asked for bookmarks: take one of them out, "
				.. "that or private_storage_bookmarks = \"server\" (or private_bookmarks_here)", component);
		end
	end

	local timeout = module:get_option_number("private_storage_timeout", 90);
	if not timeout or timeout < 1 then
		error("private_storage_timeout is a number of seconds, at least 1", 0);
	end
	return component, bookmarks, timeout;
end

-- Without a component all requests are refused. An error here would leave them to mod_private, which answers
-- from what it had before, and takes sets that nobody finds again.
local is_configured, component, bookmarks, timeout = pcall(configured);
if not is_configured then
	local failure = component;
	component = nil;
	module:log("error", "Private storage of %s is refused: %s. Mend that, and restart Prosody or reload this module",
		module.host, failure);
end

-- Whether our component says this: over its own link, or Prosody for it while it has none.
local function is_from_component(event)
	local origin = event.origin;
	return event.stanza.attr.from == component and origin.type == "component" and origin.host == component;
end

-- Elements of jabber:client have no namespace of their own while Prosody routes them.
local function to_internal(element)
	if element.attr.xmlns ~= "jabber:client" then return; end
	for child in element:childtags() do to_internal(child); end
	-- After its children, which are found by it.
	element.attr.xmlns = nil;
end

--- What is asked of the component

-- id → { answered = function, timer = timer }
local pending = {};
local pending_count = 0;

local function take(id)
	local asked = pending[id];
	if not asked then return; end
	pending[id] = nil;
	pending_count = pending_count - 1;
	asked.timer:stop();
	return asked.answered;
end

-- The beginning of an IQ to the component.
local function to_component(kind)
	return st.iq { type = kind, id = new_id(), from = module.host, to = component };
end

-- Sends it. `answered` gets its reply, or nil if none comes in time, or in that many seconds.
local function ask(iq, answered, seconds)
	local id = iq.attr.id;
	pending_count = pending_count + 1;
	pending[id] = {
		answered = answered;
		timer = module:add_timer(seconds or timeout, function ()
			pending[id] = nil;
			pending_count = pending_count - 1;
			answered(nil);
		end);
	};
	module:send(iq);
end

--- Requests for private storage

-- The component's reply to a request as the user gets it; nil if there is none in this.
local function unwrap(iq, request)
	local reply = iq.attr.type == "result"
		and iq:find("{"..xmlns_delegation.."}delegation/{"..xmlns_forward.."}forwarded/{jabber:client}iq");
	if not reply or reply.attr.id ~= iq.attr.id or reply.attr.to ~= request.attr.from
		or (reply.attr.type ~= "result" and reply.attr.type ~= "error") then
		return nil;
	end
	to_internal(reply);
	reply.attr.id, reply.attr.from = request.attr.id, request.attr.to;
	return reply;
end

local function forward(request)
	local outer = to_component("set");
	local forwarded = st.clone(request);
	forwarded.attr.xmlns = "jabber:client";
	-- A client's may have a line end or a tab, of which the component's parser makes a space.
	forwarded.attr.id = outer.attr.id;
	-- What a reply takes of it, and not what it holds.
	local kept = st.iq { type = request.attr.type, id = request.attr.id, from = request.attr.from,
		to = request.attr.to or jid.bare(request.attr.from) };
	ask(outer
		:tag("delegation", { xmlns = xmlns_delegation })
		:tag("forwarded", { xmlns = xmlns_forward })
		:add_child(forwarded), function (iq)
			if not iq then
				module:log("warn", "%s has not answered a request for private storage in %d seconds", component, timeout);
				module:send(st.error_reply(kept, "wait", "remote-server-timeout", "Private storage does not answer"));
				return;
			end
			local reply = unwrap(iq, kept);
			if reply then
				module:send(reply);
				return;
			end
			local _, condition = iq:get_error();
			if condition ~= "remote-server-timeout" then -- which mod_component says while nobody is logged in
				module:log("warn", "%s gave no valid reply to a request for private storage: %s", component,
					condition or iq:top_tag());
			end
			module:send(st.error_reply(kept, "cancel", "service-unavailable", "Private storage is not available"));
		end);
end

-- Those who were deleted: username → id of the request that the component has not answered yet.
local deleted = {};
-- Where they are kept. Until it has been read, anybody may be among them.
local store;

-- Why the component cannot be asked for this user now.
local function why_not_yet(user)
	local username, host = jid.split(user);
	if host ~= module.host then return; end
	if not store then return "Private storage is not ready; please try again later"; end
	if deleted[username] then
		return "What an earlier owner of this name has stored is not removed yet; please try again later";
	end
end

local function on_request(event)
	local request = event.stanza;
	local kind, query = request.attr.type, request.tags[1];
	if (kind ~= "get" and kind ~= "set") or not query or query.attr.xmlns ~= xmlns_private
		or request.attr.from == component then
		return;
	end
	-- Only those of clients have been looked at for one.
	if not request.attr.id then
		event.origin.send(st.error_reply(request, "modify", "bad-request", "Missing required 'id' attribute"));
		return true;
	end
	if not component then
		event.origin.send(st.error_reply(request, "cancel", "service-unavailable", "Private storage is not available"));
		return true;
	end
	-- A set of bookmarks and other elements goes to the component whole: mod_bookmarks would drop
	-- the others.
	if bookmarks == "server" and event.to_self
		and #query.tags == 1 and query:get_child("storage", "storage:bookmarks") then
		local handled = module:fire_event("iq/bare/" .. xmlns_private .. ":query", event);
		if handled ~= nil then return handled; end
	end
	local not_yet = why_not_yet(request.attr.from);
	if not_yet then
		event.origin.send(st.error_reply(request, "wait", "resource-constraint", not_yet));
	elseif not prosody.hosts[component] then
		-- It would leave this server.
		event.origin.send(st.error_reply(request, "cancel", "service-unavailable", "Private storage is not available"));
	elseif pending_count >= most_pending then
		event.origin.send(st.error_reply(request, "wait", "resource-constraint", "Private storage is busy"));
	else
		forward(request);
	end
	return true;
end

-- Before mod_delegation, which has 2^32.
module:hook("iq/bare", on_request, 2^32 + 1);
module:hook("iq/host", on_request, 2^32 + 1);

-- What is asked for at the component's own address.
module:hook("pre-iq/host", function (event)
	local request = event.stanza;
	local kind = request.attr.type;
	local not_yet = request.attr.to == component and (kind == "get" or kind == "set")
		and why_not_yet(request.attr.from);
	if not not_yet then return; end
	event.origin.send(st.error_reply(request, "wait", "resource-constraint", not_yet));
	return true;
end);

--- What host and accounts announce once the component has said it (XEP-0355 section 7.2). It stays
--- while the component is away for a moment: clients look but once.

local host_features = set.new();
-- node → set of features
local account_features = {};

local function nest(node, keep)
	node = xmlns_delegation .. node;
	ask(to_component("get"):tag("query", { xmlns = xmlns_disco, node = node }), function (iq)
		local query = iq and iq.attr.type == "result" and iq:get_child("query", xmlns_disco);
		if not query then return; end
		local features = set.new();
		for feature in query:childtags("feature") do
			if feature.attr.var then features:add(feature.attr.var); end
		end
		keep(features);
	end);
end

local function announce()
	nest("::" .. xmlns_private, function (features)
		for feature in host_features do
			if not features:contains(feature) then module:remove_item("feature", feature); end
		end
		for feature in features do
			if not host_features:contains(feature) then module:add_feature(feature); end
		end
		host_features = features;
	end);
	-- That bookmarks are in step is said by the component, if nothing here says so.
	for _, namespace in ipairs { xmlns_private, xmlns_bookmarks .. "#compat" } do
		nest(":bare:" .. namespace, function (features) account_features[namespace] = features; end);
	end
end

module:hook("account-disco-info", function (event)
	local there = set.new();
	for feature in event.reply.tags[1]:childtags("feature") do
		if feature.attr.var then there:add(feature.attr.var); end
	end
	for _, features in pairs(account_features) do
		for feature in features do
			if not there:contains(feature) then event.reply:tag("feature", { var = feature }):up(); end
		end
	end
end, -10);

--- The component's access to PEP

-- What the component does there, by namespace.
local reachable = {
	[xmlns_pubsub] = { items = true, publish = true, retract = true };
	[xmlns_pubsub .. "#owner"] = { configure = true };
};

-- Whether this asks for that, of the node of bookmarks and of no other. PEP does what the first child
-- says, whatever namespace it has; so it must be of the right one, and only options may follow.
local function is_about_bookmarks(payload)
	local actions = payload.name == "pubsub" and reachable[payload.attr.xmlns];
	local action, options = payload.tags[1], payload.tags[2];
	if not actions or not action or not actions[action.name]
		or action.attr.xmlns ~= payload.attr.xmlns or action.attr.node ~= xmlns_bookmarks then
		return false;
	end
	return not options or (#payload.tags == 2 and action.name == "publish"
		and options.name == "publish-options" and options.attr.xmlns == payload.attr.xmlns);
end

local function on_privileged(event)
	local outer = event.stanza;
	if not is_from_component(event) then return; end -- mod_privilege may know who that is
	local account = outer.attr.to;
	local username, host, resource = jid.split(account);
	local inner = outer:find("{"..xmlns_privilege.."}privileged_iq/{jabber:client}iq");
	local is_valid = inner and not resource and inner.attr.id and inner.attr.type == outer.attr.type
		and (inner.attr.from or account) == account and (inner.attr.to or account) == account and #inner.tags == 1;
	if not is_valid or not user_exists(username, host) or not is_about_bookmarks(inner.tags[1]) then
		event.origin.send(st.error_reply(outer, "auth", "forbidden",
			"Only the bookmarks of a user of this host may be asked for"));
		return true;
	end
	to_internal(inner);
	inner.attr.from, inner.attr.to = account, nil;
	local is_answered = false;
	prosody.core_post_stanza({
		type = "c2s", username = username, host = host, full_jid = account, log = module._log,
		send = function (answer)
			if is_answered or answer.name ~= "iq" or answer.attr.id ~= inner.attr.id then return true; end
			is_answered = true;
			answer = st.clone(answer);
			answer.attr.xmlns = "jabber:client";
			event.origin.send(st.reply(outer)
				:tag("privilege", { xmlns = xmlns_privilege })
				:tag("forwarded", { xmlns = xmlns_forward })
				:add_child(answer));
			return true;
		end;
	}, inner);
	return true;
end

if bookmarks == "pep" then
	module:hook("iq/bare/" .. xmlns_privilege .. ":privileged_iq", on_privileged, 10);
end

local function grant(link)
	link.send(st.message { from = module.host, to = component }
		:tag("privilege", { xmlns = xmlns_privilege }):tag("perm", { access = "iq" })
			:tag("namespace", { ns = xmlns_pubsub, type = "both" }):up()
			:tag("namespace", { ns = xmlns_pubsub .. "#owner", type = "both" }));
end

--- Accounts that are deleted

-- Kept in the host's store, not in the user's: that goes with the user. The component is told at once,
-- and so before anything that a new owner of the name could ask. What it has not confirmed is kept, and
-- told again whenever it logs in, before all other stanzas. Until then the name cannot be registered, and
-- where an administrator has made it again its requests are refused: it would read what is to be removed,
-- and lose what it stores.
--
-- Only what is deleted inside of Prosody is seen: by clients (XEP-0077), through the admin shell,
-- and with Prosody 13 by prosodyctl. That of 0.12 works in a process of its own: there, use
-- `prosodyctl shell user delete JID`.
local function read_deleted()
	local opened, failure = module:open_store("private_storage_forget");
	if not opened then error(failure, 0); end
	local them;
	them, failure = opened:get(nil);
	if failure then error(failure, 0); end
	if them ~= nil and type(them) ~= "table" then error("it is a " .. type(them), 0); end
	return opened, them or {};
end

-- Whether they could be read. Those of whom was heard meanwhile were deleted later.
local function try_to_read_deleted()
	local ok, opened, them = pcall(read_deleted);
	if not ok then return false, opened; end
	store = opened;
	for username, id in pairs(them) do deleted[username] = deleted[username] or id; end
	return true;
end

-- Those who are told again in a while.
local again = {};

local function save()
	if not store then return; end -- what is in it would be lost
	local ok, err = store:set(nil, next(deleted) and deleted or nil);
	if not ok then
		module:log("error", "Cannot keep which deletions %s has not confirmed: %s", component, err);
	end
end

local function tell(username)
	if not prosody.hosts[component] then return; end -- it is told when it logs in
	module:send(st.iq({ type = "set", id = deleted[username], from = module.host, to = component })
		:tag("forget", { xmlns = xmlns_forget, jid = username .. "@" .. module.host }));
end

local function tell_all()
	-- An answer may come, and change the table, while it is gone through.
	local usernames = {};
	for username in pairs(deleted) do usernames[#usernames + 1] = username; end
	for _, username in ipairs(usernames) do tell(username); end
end

local is_read, failure = try_to_read_deleted();
if not is_read then
	module:log("error", "Private storage of %s is refused for now: which deletions have not been confirmed cannot be read: "
		.. "%s. It is tried again every %d seconds: mend the storage of this host. If that can never keep them, as xep0227, "
		.. "name it in default_storage, and set storage = { private_storage_forget = \"internal\" }",
		module.host, failure, read_after);
	module:add_timer(read_after, function ()
		if not try_to_read_deleted() then return read_after; end
		module:log("info", "Private storage of %s is served: its storage can be read again", module.host);
		save();
		tell_all();
	end);
end

module:hook_global("user-deleted", function (event)
	if event.host ~= module.host then return; end
	deleted[event.username] = new_id() .. ":" .. event.username;
	save();
	tell(event.username);
end);

module:hook("user-registering", function (event)
	if not deleted[event.username] then return; end
	event.allowed = false;
	event.error = {
		type = "wait", condition = "conflict",
		text = "This name was given up a moment ago and is not free yet; please try again later.",
	};
	return true;
end);

local function on_forgotten(username, iq)
	if iq.attr.type == "result" then
		deleted[username] = nil;
		save();
		module:log("debug", "%s has forgotten %s", component, username);
		return;
	end
	local _, condition, text = iq:get_error();
	if condition == "remote-server-timeout" then
		module:log("info", "%s is not connected: it will be told of a deleted account when it is", component);
		return;
	end
	module:log("warn", "%s has not forgotten a deleted account, and is told again: %s (%s)",
		component, condition, text or "no reason given");
	if again[username] then return; end
	again[username] = true;
	module:add_timer(again_after, function ()
		again[username] = nil;
		if deleted[username] then tell(username); end
	end);
end

--- Instances that stand by

-- Of several instances of a component one is connected, and the others try again and again. When a machine
-- vanishes, its connection looks well until the system gives it up, after a quarter of an hour or more. So when
-- another instance comes, the one that is connected is asked whether it lives, and its connection is closed
-- if it does not say so. The other one is refused meanwhile, and comes again.
local function on_newcomer(event)
	local newcomer, stanza = event.origin, event.stanza;
	local link = prosody.hosts[component].modules.component;
	local old = link and link.connected and link.session;
	local context = module:context(component);
	if not old or newcomer.type ~= "component_unauthed" or #stanza.tags > 0
		or context:get_option_string("component_conflict_resolve") == "kick_old" then
		return;
	end
	-- Strangers are mod_component's.
	local secret = context:get_option_string("component_secret");
	if not secret or not newcomer.streamid
		or stanza:get_text():lower() ~= sha1(newcomer.streamid .. secret, true) then
		return;
	end
	-- Each host that the component serves gets to see this, and one of them asks.
	if not old.private_storage_asked then
		old.private_storage_asked = true;
		ask(to_component("get"):tag("ping", { xmlns = xmlns_ping }), function (iq)
			if link.session ~= old then return; end
			old.private_storage_asked = nil;
			if iq then return; end
			module:log("warn", "%s has not answered a ping for %d seconds, and another instance of it wants to "
				.. "connect: closing the connection that it has", component, lives_within);
			old:close { condition = "connection-timeout", text = "No answer to a ping" };
		end, lives_within);
	end
	-- As mod_component would, which calls it an error each time.
	module:log("debug", "Another instance of %s wants to connect, and one is connected", component);
	newcomer:close { condition = "conflict", text = "Component already connected" };
	return true;
end

--- The component's replies and logins

module:hook("iq/host", function (event)
	local iq = event.stanza;
	local kind, id = iq.attr.type, iq.attr.id;
	if not is_from_component(event) or (kind ~= "result" and kind ~= "error") then return; end
	local answered = take(id);
	if answered then
		answered(iq);
		return true;
	end
	local username = id and id:match("^[^:]+:(.+)$");
	if username and deleted[username] == id then
		on_forgotten(username, iq);
		return true;
	end
end, 10);

-- What is said on the link itself no other module of the Component gets to see: mod_privilege takes messages
-- about privileges for a component's.
local function on_login(event)
	local link = event.session;
	tell_all();
	link.send(st.message { from = module.host, to = component }
		:tag("delegation", { xmlns = xmlns_delegation }):tag("delegated", { namespace = xmlns_private }));
	if bookmarks == "pep" then grant(link); end
	announce();
end

-- The component's host may come after this one, and again after a change of the configuration.
local function watch(host)
	if host ~= component then return; end
	module:context(component):hook("component-authenticated", on_login);
	-- Before mod_component, which has -1.
	module:context(component):hook("stanza/jabber:component:accept:handshake", on_newcomer);
	local link = prosody.hosts[component].modules.component;
	if link and link.connected then on_login({ session = link.session }); end
end

module:hook_global("host-activated", watch);
if prosody.hosts[component] then watch(component); end
if component then module:log("info", "Private storage is kept by %s", component); end

-- Nobody is left waiting.
function module.unload()
	for id in pairs(pending) do
		local answered = take(id);
		answered(st.error_reply(st.iq { type = "set", id = id }, "wait", "remote-server-timeout"));
	end
end
