"""What a label can say: GS1, EAN and UPC, HIBC, ISO 15434, parcel numbers, site cards."""
