"""Stores private XML with slixmpp and fetches it again.

usage: slixmpp_client.py HOST PORT JID PASSWORD [TO]

Without TO (or with an empty one) the requests go to the user's own account, and slixmpp's own
bookmark plugin is tried as well; with it, they go to that address, and its commands are tried too.
"""

import asyncio
import sys
from xml.etree import ElementTree

from slixmpp import ClientXMPP
from slixmpp.plugins.xep_0048 import Bookmarks

NAMESPACE = "urn:test:slixmpp"
STORED = f"<notes xmlns='{NAMESPACE}' n='1'>a <b>bold</b> word \u00e9 \U0001f600</notes>"
ROOM = "room@rooms.example"
# As long as no busy machine needs.
TIMEOUT = 60


async def run(host, port, jid, password, to):
    client = ClientXMPP(jid, password)
    client.register_plugin("xep_0048", {"storage_method": "xep_0049"})
    client.register_plugin("xep_0050")
    # The servers of these tests speak plain TCP.
    client.enable_plaintext = True
    client.enable_starttls = False
    client.enable_direct_tls = False
    client["feature_mechanisms"].unencrypted_plain = True

    online = asyncio.Event()
    client.add_event_handler("session_start", lambda _: online.set())
    client.connect(host, port)
    await asyncio.wait_for(online.wait(), TIMEOUT)

    await notes(client, to)
    if to:
        await commands(client, to)
    else:
        await bookmarks(client)
    await client.disconnect()


async def notes(client, to):
    await request(client, "set", ElementTree.fromstring(STORED), to)
    answer = await request(client, "get", ElementTree.Element(f"{{{NAMESPACE}}}notes"), to)
    query = answer.xml.find("{jabber:iq:private}query")
    found = [canonical(ElementTree.tostring(child)) for child in query]
    assert found == [canonical(STORED)], f"fetched {found}"


async def request(client, kind, payload, to):
    iq = client.make_iq(ito=to or None, itype=kind)
    iq["private"].append(payload)
    return await iq.send(timeout=TIMEOUT)


async def bookmarks(client):
    stored = Bookmarks()
    stored.add_conference(ROOM, "alice", autojoin=True, name="A room")
    await client["xep_0048"].set_bookmarks(stored, timeout=TIMEOUT)
    answer = await client["xep_0048"].get_bookmarks(timeout=TIMEOUT)
    rooms = [str(room["jid"]) for room in answer["private"]["bookmarks"]["conferences"]]
    assert rooms == [ROOM], f"fetched {rooms}"


async def commands(client, to):
    adhoc = client["xep_0050"]
    listed = await adhoc.get_commands(to, timeout=TIMEOUT)
    nodes = {node for _, node, _ in listed["disco_items"]["items"]}
    assert nodes == {"stored", "delete-namespace", "delete-all"}, f"listed {nodes}"

    stored = await send(adhoc, to, "stored")
    assert stored["status"] == "completed", stored
    fields = stored["form"].get_values()
    assert fields[NAMESPACE].startswith("1 element, "), fields

    form = await send(adhoc, to, "delete-namespace")
    options = form["form"].get_fields()["namespace"]["options"]
    assert NAMESPACE in [option["value"] for option in options], options
    done = await fill(client, to, form, {"namespace": NAMESPACE})
    assert done["status"] == "completed" and done["notes"] == [("info", "Deleted.")], done

    await request(client, "set", ElementTree.fromstring(STORED), to)
    form = await send(adhoc, to, "delete-all")
    done = await fill(client, to, form, {"confirm": True})
    assert done["status"] == "completed", done
    stored = await send(adhoc, to, "stored")
    assert stored["notes"] == [("info", "Nothing is stored.")], stored


async def send(adhoc, to, node, **more):
    iq = await adhoc.send_command(to, node, timeout=TIMEOUT, **more)
    return iq["command"]


async def fill(client, to, command, values):
    """Submits the form in a command, as it came but for these values."""
    form = command["form"]
    form["type"] = "submit"
    form.set_values(values)
    return await send(
        client["xep_0050"],
        to,
        command["node"],
        action="complete",
        payload=form,
        sessionid=command["sessionid"],
    )


def canonical(xml):
    return ElementTree.canonicalize(xml, rewrite_prefixes=True)


if __name__ == "__main__":
    host, port, jid, password, *rest = sys.argv[1:]
    asyncio.run(run(host, int(port), jid, password, rest[0] if rest else ""))
