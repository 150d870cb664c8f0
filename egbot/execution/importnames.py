"""Owns the import names of distributions whose own name does not say them."""

from __future__ import annotations

import re

_OTHERS = {
    "attrs": "attr attrs",
    "beautifulsoup4": "bs4",
    "biopython": "bio",
    "discord-py": "discord",
    "djangorestframework": "rest_framework",
    "dnspython": "dns",
    "gitpython": "git",
    "graphql-core": "graphql",
    "grpcio": "grpc",
    "mysql-connector-python": "mysql",
    "mysqlclient": "mysqldb",
    "opencv-contrib-python": "cv2",
    "opencv-contrib-python-headless": "cv2",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "pillow": "pil",
    "protobuf": "google",
    "psycopg2-binary": "psycopg2",
    "pycryptodome": "crypto",
    "pygithub": "github",
    "pyjwt": "jwt",
    "pymongo": "pymongo bson gridfs",
    "pyopenssl": "openssl",
    "pyserial": "serial",
    "pytest": "pytest _pytest",
    "pyusb": "usb",
    "pyyaml": "yaml",
    "pyzmq": "zmq",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "setuptools": "setuptools pkg_resources",
    "tensorflow-cpu": "tensorflow",
    "websocket-client": "websocket",
}
_SHARED = re.compile(r"(azure|backports|google|jaraco|ruamel|zope)[-_.]")
"""Namespaces that several distributions share: the first part is what is imported."""


def import_names(distribution: str) -> frozenset[str]:
    """The names (lower case, underscores) under which a canonical distribution may be imported."""
    known = _OTHERS.get(distribution)
    if known:
        return frozenset(known.split())
    shared = _SHARED.match(distribution)
    plain = distribution.replace("-", "_")
    bare = re.sub(r"^(python|py)_|_(python|py)$", "", plain)
    return frozenset({plain, bare, *(shared.groups() if shared else ())})
