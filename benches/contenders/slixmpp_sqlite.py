"""Private storage as one would write it with slixmpp and sqlite3: every set is one transaction,
durable when it is answered.

slixmpp_sqlite.py ADDRESS JID SECRET FOLDER
"""

import asyncio
import os
import sqlite3
import sys
from xml.etree import ElementTree as ET

from slixmpp.componentxmpp import ComponentXMPP
from slixmpp.jid import JID
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.tostring import tostring

PRIVATE = "jabber:iq:private"
DELEGATION = "urn:xmpp:delegation:2"
FORWARD = "urn:xmpp:forward:0"
CLIENT = "jabber:client"


class Component(ComponentXMPP):
    def __init__(self, address, jid, secret, folder):
        host, port = address.rsplit(":", 1)
        super().__init__(jid, secret, host, int(port))
        self.database = sqlite3.connect(os.path.join(folder, "db"), isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute(
            "CREATE TABLE private (owner TEXT, namespace TEXT, name TEXT, xml TEXT,"
            " PRIMARY KEY (owner, namespace, name)) WITHOUT ROWID"
        )
        iq = "{jabber:component:accept}iq/"
        matcher = MatchXPath(iq + "{%s}query" % PRIVATE)
        self.register_handler(Callback("direct", matcher, self.direct))
        matcher = MatchXPath(iq + "{%s}delegation" % DELEGATION)
        self.register_handler(Callback("delegated", matcher, self.delegated))

    def direct(self, iq):
        if iq["type"] not in ("get", "set"):
            return
        query = iq.xml.find("{%s}query" % PRIVATE)
        result = self.private(query, iq["from"].bare, iq["type"])
        reply = iq.reply()
        if result is not None:
            reply.append(result)
        reply.send()

    def delegated(self, iq):
        inner = iq.xml.find("{%s}delegation/{%s}forwarded/{%s}iq" % (DELEGATION, FORWARD, CLIENT))
        if iq["type"] != "set" or inner is None:
            return
        owner = JID(inner.get("from")).bare
        query = inner.find("{%s}query" % PRIVATE)
        result = self.private(query, owner, inner.get("type"))
        reply = iq.reply()
        delegation = ET.Element("{%s}delegation" % DELEGATION)
        forwarded = ET.SubElement(delegation, "{%s}forwarded" % FORWARD)
        attributes = {"type": "result", "id": inner.get("id"), "from": owner, "to": inner.get("from")}
        answer = ET.SubElement(forwarded, "{%s}iq" % CLIENT, attributes)
        if result is not None:
            answer.append(result)
        reply.append(delegation)
        reply.send()

    def private(self, query, owner, kind):
        if kind == "set":
            self.database.execute("BEGIN")
            for child in query:
                self.database.execute(
                    "REPLACE INTO private VALUES (?, ?, ?, ?)", (owner, *name(child), tostring(child))
                )
            self.database.execute("COMMIT")
            return None
        result = ET.Element("{%s}query" % PRIVATE)
        for child in query:
            row = self.database.execute(
                "SELECT xml FROM private WHERE owner = ? AND namespace = ? AND name = ?",
                (owner, *name(child)),
            ).fetchone()
            result.append(ET.fromstring(row[0]) if row else child)
        return result


def name(element):
    namespace, local = element.tag[1:].split("}", 1)
    return namespace, local


async def main():
    component = Component(*sys.argv[1:])
    component.connect()
    await component.disconnected


asyncio.run(main())
