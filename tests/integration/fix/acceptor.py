"""A counterparty driven line by line: a real quickfix acceptor with no mind of its own.

``python acceptor.py PORT FOLDER [CERTIFICATE KEY [AUTHORITIES]]`` prints one JSON object a line for whatever
happens and takes JSON commands on standard input. It reads with the strict dictionary, so it also judges what
it is sent.
"""

import json
import os
import string
import sys
import threading
import time
from pathlib import Path

import quickfix as fix
import quickfix44 as fix44

FIX_CONFIGS = Path(__file__).resolve().parents[3] / "fix_configs"
_out = threading.Lock()
# The engine prints what it thinks of certificates: not among the events.
_events = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(**what: object) -> None:
    with _out:
        print(json.dumps(what), file=_events, flush=True)


class Counterparty(fix.Application):
    taken = 0
    """MsgSeqNum of the newest message; the session counts it only after the callback."""

    def onCreate(self, session_id: fix.SessionID) -> None:
        self.session_id = fix.SessionID(
            "FIX.4.4", session_id.getSenderCompID().getString(), session_id.getTargetCompID().getString()
        )

    def onLogon(self, session_id: fix.SessionID) -> None:
        say(event="logon")

    def onLogout(self, session_id: fix.SessionID) -> None:
        say(event="logout")

    def toAdmin(self, message: fix.Message, session_id: fix.SessionID) -> None:
        say(event="sent", raw=message.toString())

    def toApp(self, message: fix.Message, session_id: fix.SessionID) -> None:
        say(event="sent", raw=message.toString())

    def fromAdmin(self, message: fix.Message, session_id: fix.SessionID) -> None:
        self.take("admin", message)

    def fromApp(self, message: fix.Message, session_id: fix.SessionID) -> None:
        self.take("app", message)

    def take(self, event: str, message: fix.Message) -> None:
        self.taken = int(message.getHeader().getField(34))
        say(event=event, raw=message.toString())


def obey(application: Counterparty, command: dict[str, str]) -> None:
    session = fix.Session.lookupSession(application.session_id)
    match command["do"]:
        case "send":
            body = command["fields"].replace("|", "\x01")
            raw = f"8=FIX.4.4\x019=0\x01{body}\x0110=000\x01"
            session.send(fix.Message(raw, False))
        case "echo_parties":
            report = "35=8|37=B-1|17=E-parties|150=0|39=0|11=O-1|55=AURA|54=1|14=0|151=100|6=0"
            message = fix.Message(f"8=FIX.4.4|9=0|{report}|10=000|".replace("|", "\x01"), False)
            for party in ("one", "two"):
                group = fix44.ExecutionReport.NoPartyIDs()
                group.setField(448, party)
                group.setField(447, "D")
                group.setField(452, "1")
                message.addGroup(group)
            session.send(message)
        case "disconnect":
            session.disconnect()
        case "logout":
            session.logout(command.get("reason", ""))
        case "forget":
            while session.getExpectedTargetNum() <= application.taken:
                time.sleep(0.001)
            session.setNextTargetMsgSeqNum(int(command["from"]))
        case "numbers":
            say(event="numbers", raw=f"{session.getExpectedSenderNum()} {session.getExpectedTargetNum()}")


def main(port: str, folder: str, certificate: str = "", key: str = "", authorities: str = "") -> None:
    template = string.Template((FIX_CONFIGS / "acceptor.cfg").read_text())
    settings_file = Path(folder) / "acceptor.cfg"
    text = template.substitute(
        port=port,
        store_dir=f"{folder}/store",
        log_dir=f"{folder}/log",
        dictionary=FIX_CONFIGS / "FIX44.xml",
        sender_comp_id="BROKERSIM",
        target_comp_id="SLIPSTREAM",
    )
    kind = fix.ThreadedSocketAcceptor
    if certificate:
        kind = fix.SSLSocketAcceptor
        tls = f"ServerCertificateFile={certificate}\nServerCertificateKeyFile={key}\n"
        tls += f"CertificateVerifyLevel={1 if authorities else 0}\n"
        if authorities:
            tls += f"CertificationAuthoritiesFile={authorities}\n"
        text = text.replace("[SESSION]", f"{tls}[SESSION]")
    settings_file.write_text(text)
    settings = fix.SessionSettings(str(settings_file))
    application = Counterparty()
    acceptor = kind(application, fix.FileStoreFactory(settings), settings, fix.FileLogFactory(settings))
    acceptor.start()
    say(event="listening")
    for line in sys.stdin:
        obey(application, json.loads(line))
    acceptor.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
