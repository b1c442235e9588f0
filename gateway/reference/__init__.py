"""The gateway's copy of what the ERP knows: kept up to date over MQTT, read without a network."""
