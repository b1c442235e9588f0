"""Reconciliation: the ledger held against what the ERP shows, what differs, and what mends it."""

from bridge.reconciliation.differences import Kind, Step
from bridge.reconciliation.findings import Finding, Reconciled, Round, close, latest
from bridge.reconciliation.kpis import Kpi, Kpis, kpis

__all__ = [
    "Finding",
    "Kind",
    "Kpi",
    "Kpis",
    "Reconciled",
    "Round",
    "Step",
    "close",
    "kpis",
    "latest",
]
