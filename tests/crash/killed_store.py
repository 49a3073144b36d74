"""A store that is killed and started again on one port: what the kill scripts share."""
import http.client
import json
import socket
import subprocess
import threading

STORE_ID = "0123456789abcdef" * 2
BASE = f"/datastore/{STORE_ID}/r4"


class KilledStore:
    def __init__(self, tarn, top):
        self.tarn, self.top, self.errors = tarn, top, open(top + "/errors", "a")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]

    def start(self):
        store = subprocess.Popen([self.tarn, "serve", "--data", self.top + "/data",
                                  "--listen", f"127.0.0.1:{self.port}", "--no-auth", "--datastore-id", STORE_ID],
                                 stdout=subprocess.PIPE, stderr=self.errors, text=True)
        for line in store.stdout:
            if line.startswith("data store"):
                threading.Thread(target=store.stdout.read, daemon=True).start()
                return store
        raise SystemExit(f"the store did not start again: see {self.top}/errors")

    def ask(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            c.request(method, BASE + path, body, {"content-type": "application/fhir+json", **headers})
            r = c.getresponse()
            return r.status, r.headers, json.loads(r.read() or b"null")
        finally:
            c.close()
