"""What the ERP knows, kept as a versioned copy and served to gateways: the way from ERP to bench.

It is a cache: thrown away, it is read again, under another set, and gateways read it all again.
"""
