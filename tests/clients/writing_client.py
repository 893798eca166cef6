#!/usr/bin/env python3
"""Keeps writing to private storage while administrators move it, and holds every answer to a model.

    writing_client.py write MODEL HOST PASSWORD USER...    until the file MODEL.stop is there; goes on where
                                                           it stopped if MODEL is there
    writing_client.py verify MODEL HOST PASSWORD USER...   fails if anything is not as it has to be

Of each element the model knows the values that a client may be shown: the one of the last set that was
answered with a result, and those of sets since then that got no answer. A set that was refused changes
nothing. Nothing but Python is needed; the server is the one on this machine, and its certificate is not
looked at.
"""

import base64
import json
import os
import socket
import ssl
import sys
import threading
import time
from xml.etree import ElementTree

PATIENCE = 60  # seconds for an answer; ejabberd gives up a delegated request after 32
PAUSE = 0.1
# Each set has an element of its own until they come round.
ELEMENTS = 900
CLIENT = "{jabber:client}"
PRIVATE = "{jabber:iq:private}"


class Session:
    """A user who is logged in."""

    def __init__(self, user, host, password):
        self.host = host
        self.next_id = 0
        self.socket = socket.create_connection(("127.0.0.1", 5222), timeout=PATIENCE)
        try:
            self.log_in(user, password)
        except BaseException:
            self.socket.close()
            raise

    def log_in(self, user, password):
        features = self.open()
        if features.find("{urn:ietf:params:xml:ns:xmpp-tls}starttls") is not None:
            self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            self.expect("proceed")
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
            self.open()
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>")
        self.expect("success")
        self.open()
        self.ask("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")

    def open(self):
        self.parser = ElementTree.XMLPullParser(["start", "end"])
        self.depth = 0
        self.send(
            f"<stream:stream xmlns='jabber:client' version='1.0' to='{self.host}' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        return self.expect("features")

    def send(self, text):
        self.socket.sendall(text.encode())

    def receive(self):
        while True:
            for event, element in self.parser.read_events():
                self.depth += 1 if event == "start" else -1
                if event == "end" and self.depth == 1:
                    return element
                if event == "end" and self.depth == 0:
                    raise ConnectionError("the stream was closed")
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the connection was closed")
            self.parser.feed(data)

    def expect(self, name):
        element = self.receive()
        if element.tag.rpartition("}")[2] != name:
            raise ConnectionError(f"expected {name}, got {element.tag}")
        return element

    def ask(self, kind, payload):
        self.next_id += 1
        name = str(self.next_id)
        self.send(f"<iq type='{kind}' id='{name}'>{payload}</iq>")
        while True:
            element = self.receive()
            if element.tag == CLIENT + "iq" and element.get("id") == name:
                return element

    def set(self, name, value):
        """The name of an error, or None. An element that is set to nothing is deleted."""
        content = f"<v>{value}</v>" if value is not None else ""
        return error_of(self.ask("set", private(name, content)))

    def get(self, name):
        """The name of an error and the value."""
        reply = self.ask("get", private(name, ""))
        return error_of(reply), reply.findtext(f".//{{urn:proof:{name}}}v")


def private(name, content):
    return f"<query xmlns='jabber:iq:private'><e xmlns='urn:proof:{name}'>{content}</e></query>"


def error_of(reply):
    if reply.get("type") == "result":
        return None
    error = reply.find(CLIENT + "error")
    return error[0].tag.rpartition("}")[2] if error is not None and len(error) else "unknown"


class Model:
    """What one user may be shown."""

    def __init__(self, user, values):
        self.user = user
        self.values = values
        self.count = {"stored": 0, "refused": 0, "in doubt": 0, "read": 0}
        self.wrong = []

    def set(self, session, name, value):
        before = self.values.get(name, [None])
        # Without an answer it may have been stored or not.
        self.values[name] = before + [value]
        self.count["in doubt"] += 1
        error = session.set(name, value)
        self.values[name] = before if error else [value]
        self.count["in doubt"] -= 1
        self.count["refused" if error else "stored"] += 1

    def get(self, session, name, must=False):
        error, value = session.get(name)
        if error and not must:
            return
        self.count["read"] += 1
        allowed = self.values.get(name, [None])
        if error or value not in allowed:
            at = time.strftime("%H:%M:%S")
            self.wrong.append(f"{at} {self.user} {name}: {error or value!r}, not one of {allowed}")
        elif len(allowed) > 1:
            self.values[name] = [value]


    def oldest(self):
        """The element that was set before all others that are there."""
        there = [values[-1] for name, values in self.values.items() if name != "counter" and values[-1]]
        return f"n{min(map(int, there)) % ELEMENTS}" if there else "n1"


def write(model, stop, log_in):
    number = int(model.values.get("counter", ["0"])[-1])
    session = None
    while not os.path.exists(stop):
        try:
            session = session or log_in()
            number += 1
            model.set(session, f"n{number % ELEMENTS}", str(number))
            model.set(session, "counter", str(number))
            if number % 5 == 0:
                model.set(session, model.oldest(), None)
            model.get(session, "counter")
            model.get(session, model.oldest())
        except (OSError, ElementTree.ParseError):
            session = None
        time.sleep(PAUSE)


def main(task, file, host, password, users):
    saved = {}
    if os.path.exists(file):
        with open(file, encoding="utf-8") as text:
            saved = json.load(text)
    models = [Model(user, saved.get(user, {})) for user in users]
    if task == "verify":
        for model in models:
            session = Session(model.user, host, password)
            for name in model.values:
                model.get(session, name, must=True)
    else:
        writers = [
            threading.Thread(
                target=write,
                args=(model, file + ".stop", lambda user=model.user: Session(user, host, password)),
            )
            for model in models
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        with open(file, "w", encoding="utf-8") as text:
            json.dump({model.user: model.values for model in models}, text)
    kinds = ["read"] if task == "verify" else ["stored", "refused", "in doubt", "read"]
    print(", ".join(f"{sum(model.count[kind] for model in models)} {kind}" for kind in kinds))
    wrong = [line for model in models for line in model.wrong]
    print("\n".join(wrong[:3] + wrong[-3:]), end="\n" if wrong else "")
    return f"{len(wrong)} answers were wrong" if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]))
