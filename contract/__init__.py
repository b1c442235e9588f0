"""What the gateway and the bridge agree on. Pure: no clock, no I/O, no device, no ERP."""
