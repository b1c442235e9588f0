"""What can go wrong with a device, sorted by who acts. Each docstring is the message."""


class DeviceError(Exception):
    """Base of everything a stream or session raises on purpose."""


class StreamLost(DeviceError):
    """The cable, port or socket went away. Wait, then open it again."""


class DeviceBusy(StreamLost):
    """Another program has the device. It must let go; then open it again."""


class DeviceSilent(DeviceError):
    """The port is open but nothing answers. Wait, then open it again."""


class DeviceMisconfigured(DeviceError, ValueError):
    """No retry can help: wrong address, option or permission, a missing part. Tell a person."""


class DeviceDenied(DeviceMisconfigured):
    """The daemon may not open the device. A person gives the permission; then open it again."""
