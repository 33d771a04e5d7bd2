"""What every request passes before its endpoint, as plain ASGI: `access`, then `auth`."""
