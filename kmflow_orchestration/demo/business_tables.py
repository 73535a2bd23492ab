"""The tables a consulting engagement is handed: lending, purchasing, people, logistics."""

from __future__ import annotations

from collections.abc import Mapping

from kmflow_orchestration.demo.column_kit import (
    Column,
    accented_last_name,
    case,
    city,
    company,
    counter,
    cycle,
    day,
    days_after,
    digits,
    e_mail,
    first_name,
    last_name,
    moment,
    money,
    one_of,
    phone,
    rate,
    reference,
    serial,
    sometimes,
    state,
    street,
    whole,
    zip_code,
)

Columns = Mapping[str, Column]
_PLACE: Columns = {
    "street_address": street,
    "city": city,
    "state": state,
    "zip_code": zip_code,
}

LOANS: Columns = {
    "loan_id": serial("LN-", 100001),
    "customer_id": reference("C", 20001, 4000),
    "product": one_of("mortgage", "auto", "small business", "personal"),
    "branch_code": reference("B", 101, 40),
    "loan_amount": money(2_500, 450_000),
    "interest_rate": rate(1_750, 12_900),
    "term_months": one_of(12, 24, 36, 60, 120, 240, 360),
    "origination_date": day("2021-01-04", 1900),
    "status": one_of("current", "current", "current", "late 30", "late 60", "paid off"),
    "zip_code": digits(5),
}
RATES: Columns = {
    "product": one_of("mortgage", "auto", "small business", "personal"),
    "valid_from": day("2025-01-01", 600),
    "base_rate": rate(1_500, 6_000),
    "margin": rate(250, 4_000),
}
CUSTOMERS: Columns = {
    "customer_id": serial("C", 20001),
    "first_name": first_name,
    "last_name": last_name,
    "email": e_mail("example.com"),
    "phone": phone,
    **_PLACE,
    "date_of_birth": day("1948-01-01", 20_000),
    "segment": one_of("retail", "affluent", "business"),
}
REPAYMENTS: Columns = {
    "repayment_id": counter(500001),
    "loan_id": reference("LN-", 100001, 6000),
    "due_date": day("2026-01-05", 300),
    "paid_date": sometimes(days_after("due_date", -3, 25), 0.985),
    "amount_due": money(80, 4_200),
    "amount_paid": money(80, 4_200),
    "channel": one_of("branch", "direct debit", "online", "cheque"),
}
BRANCHES: Columns = {
    "branch_code": serial("B", 101),
    "branch_name": one_of("Downtown", "Harbor", "Airport", "University", "West End"),
    "city": city,
    "state": state,
    "zip_code": zip_code,
    "opened_on": day("1985-03-01", 13_000),
    "headcount": whole(4, 38),
}
COLLATERAL: Columns = {
    "collateral_id": serial("COL-", 7001),
    "loan_id": reference("LN-", 100001, 6000),
    "kind": one_of("residential", "vehicle", "equipment"),
    "value": money(3_000, 600_000),
    "valued_on": day("2023-01-01", 1000),
}
VENDORS: Columns = {
    "vendor_id": serial("V", 3001),
    "vendor_name": company,
    "contact_email": one_of("billing@example.com", "ar@example.org", "accounts@example.net"),
    "phone": phone,
    **_PLACE,
    "payment_terms_days": one_of(14, 30, 45, 60),
    "created_on": day("2015-01-01", 4000),
}
INVOICES: Columns = {
    "invoice_id": serial("INV-", 880001),
    "vendor_id": reference("V", 3001, 240),
    "po_number": reference("PO", 45001, 1500),
    "invoice_date": day("2026-08-01", 30),
    "due_date": days_after("invoice_date", 14, 60),
    "amount": money(20, 48_000),
    "tax": money(0, 4_000),
    "currency": one_of("USD", "USD", "USD", "EUR"),
    "status": one_of("paid", "open", "blocked", "in approval"),
}
PURCHASE_ORDERS: Columns = {
    "po_number": serial("PO", 45001),
    "vendor_id": reference("V", 3001, 240),
    "ordered_on": day("2026-06-01", 90),
    "order_value": money(50, 60_000),
    "requested_by_role": one_of("buyer", "plant manager", "office manager", "engineer"),
    "approved": one_of("true", "true", "true", "false"),
}
GOODS_RECEIPTS: Columns = {
    "receipt_id": serial("GR", 91001),
    "po_number": reference("PO", 45001, 1500),
    "received_on": day("2026-06-15", 90),
    "quantity": whole(1, 400),
    "inspected": one_of("yes", "yes", "no"),
}
PAYMENT_RUNS: Columns = {
    "payment_id": serial("PAY", 66001),
    "invoice_id": reference("INV-", 880001, 2500),
    "run_date": day("2026-08-10", 60),
    "amount": money(20, 48_000),
    "method": one_of("wire", "check", "card"),
}
EMPLOYEES: Columns = {
    "employee_id": serial("E", 1001),
    "first_name": first_name,
    "last_name": accented_last_name,
    "department": one_of("Finance", "Purchasing", "Lending", "IT", "Warehouse", "HR"),
    "hire_date": day("2004-02-01", 7800),
    "annual_salary": money(38_000, 164_000),
    "manager_id": sometimes(reference("E", 1001, 60), 0.97),
    "is_active": one_of("true", "true", "true", "true", "false"),
}
ACCESS_RIGHTS: Columns = {
    "employee_id": reference("E", 1001, 900),
    "system": one_of("ERP", "Core banking", "Payroll", "Data warehouse"),
    "access_role": one_of("read", "post", "approve", "administer"),
    "granted_on": day("2020-01-01", 2300),
    "last_login": sometimes(moment("2026-05-01", 180), 0.8),
}
LEAVERS: Columns = {
    "employee_id": reference("E", 1001, 900),
    "left_on": day("2025-01-01", 660),
    "reason": one_of("resigned", "retired", "transfer", "contract ended"),
    "access_removed_on": sometimes(days_after("left_on", 0, 40), 0.85),
}
TRAINING: Columns = {
    "employee_id": reference("E", 1001, 900),
    "course": one_of("Fraud awareness", "Code of conduct", "Information security"),
    "completed_on": sometimes(day("2025-06-01", 500), 0.9),
    "score_percent": whole(40, 100),
}
JOURNAL_ENTRIES: Columns = {
    "entry_id": counter(710001),
    "posting_date": day("2026-01-02", 300),
    "account": one_of("4000", "4100", "5200", "6100", "6300", "7000", "1200", "2100"),
    "cost_center": reference("CC", 10, 30),
    "debit": money(0, 25_000),
    "credit": money(0, 25_000),
    "posting_text": one_of("accrual", "reclass", "payroll", "correction", "month-end entry"),
}
CONTROLS: Columns = {
    "control_id": serial("CTL-", 1),
    "process": one_of("order", "receipt", "invoice", "payment", "master data", "close"),
    "risk": one_of("duplicate payment", "unapproved spend", "fraud", "misstatement"),
    "control_description": one_of(
        "Second person approves above the limit",
        "System blocks payment without receipt",
        "Monthly review of changes by the controller",
    ),
    "owner_role": one_of("controller", "AP lead", "head of purchasing", "IT security"),
    "frequency": one_of("per transaction", "daily", "monthly", "quarterly"),
    "key_control": one_of("yes", "no"),
    "last_tested": sometimes(day("2025-09-01", 400), 0.9),
}
SHIPMENTS: Columns = {
    "shipment_id": counter(3_200_001),
    "carrier_code": reference("CR", 1, 25),
    "origin_airport": one_of("SEA", "ORD", "BOS", "IAH", "PHX", "DEN"),
    "destination_airport": one_of("EWR", "BUF", "STL", "DAY", "BDL", "LAX"),
    "picked_up_at": moment("2026-07-01T06:00:00", 100),
    "weight_kg": money(1, 2_400),
    "freight_cost": money(15, 9_800),
    "delivered": one_of("true", "true", "true", "false"),
}
CARRIERS: Columns = {
    "carrier_code": serial("CR", 1),
    "carrier_name": company,
    "contract_from": day("2022-01-01", 900),
    "on_time_percent": whole(71, 99),
}
CLAIMS: Columns = {
    "claim_id": serial("CLM", 5001),
    "shipment_id": whole(3_200_001, 3_214_000),
    "reported_on": day("2026-07-05", 110),
    "damage_note": one_of("box crushed", "pallet wet", "label missing", "late delivery"),
    "claimed_amount": money(10, 5_000),
}
FREIGHT_RATES: Columns = {
    "lane": one_of("SEA-EWR", "ORD-BUF", "BOS-STL", "IAH-LAX"),
    "valid_from": day("2026-01-01", 300),
    "rate_per_kg": rate(220, 4_900),
}
DECLARATIONS: Columns = {
    "declaration_id": serial("CD", 120001),
    "shipment_id": whole(3_200_001, 3_214_000),
    "tariff_code": digits(8),
    "declared_value": money(50, 80_000),
    "cleared_on": day("2026-07-02", 110),
}


def event_log(prefix: str, *activities: str) -> Columns:
    """A process log: every case runs through the activities, one row each."""
    return {
        "case_id": case(prefix, len(activities)),
        "activity": cycle(activities),
        "completed_at": moment("2026-06-01T07:00:00", 120),
        "performed_by_role": one_of("clerk", "team lead", "manager", "system"),
        "duration_minutes": whole(1, 480),
    }
