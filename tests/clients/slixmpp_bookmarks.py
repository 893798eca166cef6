"""Two clients of one account, made with slixmpp: an old one, which keeps its rooms in private
storage (XEP-0048), and a modern one, which keeps them in PEP (XEP-0402). Each must see what the
other does.

usage: slixmpp_bookmarks.py HOST PORT JID PASSWORD
"""

import asyncio
import sys
from xml.etree import ElementTree

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0048 import Bookmarks
from slixmpp.plugins.xep_0402.stanza import Conference

NODE = "urn:xmpp:bookmarks:1"
TEA, CAKE = "tea@rooms.example", "cake@rooms.example"
EXTENSION = f"<extensions xmlns='{NODE}'><pinned xmlns='urn:test:pinned'/></extensions>"
# As long as no busy machine needs.
TIMEOUT = 60


class Client(ClientXMPP):
    def __init__(self, jid, password, plugins):
        super().__init__(jid, password)
        for plugin in plugins:
            self.register_plugin(plugin)
        # The servers of these tests speak plain TCP.
        self.enable_plaintext = True
        self.enable_starttls = False
        self.enable_direct_tls = False
        self.plugin["feature_mechanisms"].unencrypted_plain = True

    async def log_in(self, host, port):
        online = asyncio.Event()
        self.add_event_handler("session_start", lambda _: online.set())
        self.connect(host, port)
        await asyncio.wait_for(online.wait(), TIMEOUT)
        # What a client wants to be notified of is in what it says of itself with its presence.
        # Of several clients ejabberd asks one, so all must have said something.
        for namespace in self.interests:
            await self.plugin["xep_0030"].add_feature(f"{namespace}+notify")
        await self.plugin["xep_0115"].update_caps(broadcast=False)
        self.send_presence()


class Old(Client):
    interests = ()

    def __init__(self, jid, password):
        super().__init__(jid + "/old", password, ["xep_0048", "xep_0115"])

    async def keep(self, *rooms):
        """Each room is an address and a name."""
        stored = Bookmarks()
        for jid, name in rooms:
            stored.add_conference(jid, "alice", autojoin=True, name=name, password="open sesame")
        await self.plugin["xep_0048"].set_bookmarks(stored, method="xep_0049", timeout=TIMEOUT)

    async def rooms(self):
        answer = await self.plugin["xep_0048"].get_bookmarks(method="xep_0049", timeout=TIMEOUT)
        rooms = answer["private"]["bookmarks"]["conferences"]
        for room in rooms:
            assert room["autojoin"] and room["nick"] == "alice", room
            assert room["password"] == "open sesame", room
        return {str(room["jid"]): room["name"] for room in rooms}


class Modern(Client):
    interests = (NODE,)

    def __init__(self, jid, password):
        plugins = ["xep_0004", "xep_0060", "xep_0115", "xep_0402"]
        super().__init__(jid + "/modern", password, plugins)
        self.told = asyncio.Queue()
        self.add_event_handler("pubsub_publish", lambda event: self.told.put_nowait(event))
        self.add_event_handler("pubsub_retract", lambda event: self.told.put_nowait(event))

    async def keep(self, jid, name):
        room = Conference()
        room["name"] = name
        room["autojoin"] = True
        room["nick"] = "alice"
        room["password"] = "open sesame"
        room.append(ElementTree.fromstring(EXTENSION))
        options = self.plugin["xep_0004"].make_form("submit")
        purpose = "http://jabber.org/protocol/pubsub#publish-options"
        options.add_field(var="FORM_TYPE", ftype="hidden", value=purpose)
        options.add_field(var="pubsub#persist_items", value="true")
        options.add_field(var="pubsub#max_items", value="max")
        options.add_field(var="pubsub#send_last_published_item", value="never")
        options.add_field(var="pubsub#access_model", value="whitelist")
        await self.plugin["xep_0060"].publish(
            None, NODE, id=jid, payload=room, options=options, timeout=TIMEOUT
        )

    async def leave(self, jid):
        await self.plugin["xep_0060"].retract(None, NODE, jid, notify=True, timeout=TIMEOUT)

    async def items(self):
        try:
            answer = await self.plugin["xep_0060"].get_items(None, NODE, timeout=TIMEOUT)
        except IqError as error:
            assert error.condition == "item-not-found", error
            return {}
        return {item["id"]: item["conference"] for item in answer["pubsub"]["items"]}

    async def rooms(self):
        rooms = await self.items()
        for room in rooms.values():
            assert room["autojoin"] and room["nick"] == "alice", room
            assert room["password"] == "open sesame", room
        return {jid: room["name"] for jid, room in rooms.items()}

    async def hears_of(self, jid):
        """Waits for a notification about the room, past others."""
        while True:
            event = await asyncio.wait_for(self.told.get(), TIMEOUT)
            items = event["pubsub_event"]["items"]
            if items["node"] == NODE and jid in [item["id"] for item in items]:
                return


async def run(host, port, jid, password):
    old, modern = Old(jid, password), Modern(jid, password)
    for client in modern, old:
        await client.log_in(host, port)
    await see_each_others_rooms(old, modern)
    for client in modern, old:
        await client.disconnect()


async def see_each_others_rooms(old, modern):
    await same(old, modern, {})

    await old.keep((TEA, "Tea"))
    await modern.hears_of(TEA)
    await same(old, modern, {TEA: "Tea"})

    await modern.keep(CAKE, "Cake")
    await same(old, modern, {TEA: "Tea", CAKE: "Cake"})

    await old.keep((TEA, "Green tea"), (CAKE, "Cheese cake"))
    await same(old, modern, {TEA: "Green tea", CAKE: "Cheese cake"})
    # What old clients know nothing of is still there.
    cake = (await modern.items())[CAKE]
    assert cake.xml.find(f"{{{NODE}}}extensions/{{urn:test:pinned}}pinned") is not None, cake

    await old.keep((CAKE, "Cheese cake"))
    await modern.hears_of(TEA)
    await same(old, modern, {CAKE: "Cheese cake"})

    # One that the old client has not heard of when it writes the next time.
    await modern.keep(TEA, "Black tea")
    await old.keep((CAKE, "Carrot cake"))
    await same(old, modern, {TEA: "Black tea", CAKE: "Carrot cake"})

    await modern.leave(CAKE)
    await same(old, modern, {TEA: "Black tea"})
    await old.keep()
    await same(old, modern, {})


async def same(old, modern, expected):
    for client in old, modern:
        rooms = await client.rooms()
        assert rooms == expected, f"{client.boundjid.resource} sees {rooms}, not {expected}"


if __name__ == "__main__":
    host, port, jid, password = sys.argv[1:]
    asyncio.run(run(host, int(port), jid, password))
