// Private storage as one would write it with xmpp.js and better-sqlite3: every set is one
// transaction, durable when it is answered.
//
// node xmppjs_sqlite.mjs ADDRESS JID SECRET FOLDER

import { component, jid, xml } from "@xmpp/component";
import Database from "better-sqlite3";
import parse from "@xmpp/xml/lib/parse.js";

const PRIVATE = "jabber:iq:private";
const DELEGATION = "urn:xmpp:delegation:2";
const FORWARD = "urn:xmpp:forward:0";
const CLIENT = "jabber:client";

const [address, domain, password, folder] = process.argv.slice(2);

const database = new Database(`${folder}/db`);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
database.exec(
  `CREATE TABLE private (owner TEXT, namespace TEXT, name TEXT, xml TEXT,
   PRIMARY KEY (owner, namespace, name)) WITHOUT ROWID`,
);
const replace = database.prepare("REPLACE INTO private VALUES (?, ?, ?, ?)");
const select = database.prepare(
  "SELECT xml FROM private WHERE owner = ? AND namespace = ? AND name = ?",
);
const store = database.transaction((owner, children) => {
  for (const child of children) {
    replace.run(owner, child.getNS(), child.getName(), child.toString());
  }
});

function handle(query, owner, type) {
  const children = query.getChildElements();
  if (type === "set") {
    store(owner, children);
    return undefined;
  }
  return xml(
    "query",
    PRIVATE,
    ...children.map((child) => {
      const row = select.get(owner, child.getNS(), child.getName());
      return row ? parse(row.xml) : child;
    }),
  );
}

const bare = (address) => jid(address).bare().toString();

const xmpp = component({ service: `xmpp://${address}`, domain, password });

const { iqCallee } = xmpp;
for (const type of ["get", "set"]) {
  iqCallee[type](PRIVATE, "query", ({ element, from }) => {
    return handle(element, from.bare().toString(), type) ?? true;
  });
}

iqCallee.set(DELEGATION, "delegation", ({ element }) => {
  const inner = element.getChild("forwarded", FORWARD).getChild("iq", CLIENT);
  const { id, type, from } = inner.attrs;
  const owner = bare(from);
  const result = handle(inner.getChild("query", PRIVATE), owner, type);
  const answer = xml("iq", { xmlns: CLIENT, type: "result", id, from: owner, to: from }, result);
  return xml("delegation", DELEGATION, xml("forwarded", FORWARD, answer));
});

xmpp.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
await xmpp.start();
