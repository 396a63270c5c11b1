"""The relay: stores and serves sealed shards that it cannot read."""

import os

# gRPC has no setting for a lowest TLS version. With ECDSA certificates this list leaves TLS 1.2
# nothing to agree on, while the suites of TLS 1.3 are not affected. gRPC reads it when imported.
os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-RSA-AES256-GCM-SHA384"
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
