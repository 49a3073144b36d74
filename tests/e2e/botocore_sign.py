"""Requests signed by botocore, one a line on standard output as JSON.

usage: botocore_sign.py ENDPOINT   (keys from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)

Exits 3 when botocore is not installed. Used by serve.test.mjs.
"""
import json
import os
import sys

try:
    from botocore.auth import SigV4Auth, SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    sys.exit(3)

KEYS = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
JSON = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}


def show(name, request):
    """The request as it has to be sent."""
    wire = request.prepare()
    body = wire.body.decode() if isinstance(wire.body, bytes) else wire.body
    print(json.dumps({"name": name, "method": wire.method, "url": wire.url,
                      "headers": {k: v for k, v in wire.headers.items()}, "body": body}))


def by_header(name, method, url, body=None, headers=JSON):
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
    SigV4Auth(KEYS, "healthlake", "us-east-1").add_auth(request)
    show(name, request)


def by_query(name, url):
    request = AWSRequest(method="GET", url=url)
    SigV4QueryAuth(KEYS, "healthlake", "us-east-1", expires=300).add_auth(request)
    show(name, request)


base = sys.argv[1].rstrip("/")
patient = json.dumps({"resourceType": "Patient", "id": "botocore", "name": [{"family": "Müller"}]})
by_header("metadata", "GET", base + "/metadata")
by_header("update", "PUT", base + "/Patient/botocore", patient.encode())
by_header("read behind two slashes", "GET", base + "//Patient/botocore")
by_header("search", "GET", base + "/Patient?_id=botocore&_count=10")
by_header("search with an encoded bar", "GET", base + "/Patient?identifier=a%7Cb")
by_header("everything", "GET", base + "/Patient/botocore/$everything")
by_header("search by form", "POST", base + "/Patient/_search", b"_id=botocore",
          {"Content-Type": "application/x-www-form-urlencoded"})
by_query("presigned read", base + "/Patient/botocore")
by_query("presigned search", base + "/Patient?_id=botocore")
