"""From MQTT to the ERP: the ledger, what is sent from it, and what came of it."""
