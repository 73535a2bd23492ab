"""Evidence of the group `acme`: a lender that also reviews its purchasing and its people data."""

from __future__ import annotations

from kmflow_orchestration.demo import business_tables as tables
from kmflow_orchestration.demo.demo_file import (
    DemoFile,
    copied,
    delimited_file,
    dirty_table,
    truncated,
    workbook_file,
)
from kmflow_orchestration.demo.dirt import Dirt
from kmflow_orchestration.demo.documents import (
    interview,
    mail,
    notes_page,
    page_document,
    picture,
    process_model,
    web_page,
)
from kmflow_orchestration.demo.file_formats import json_array, json_lines, xml_records
from kmflow_orchestration.demo.public_tables import public_table
from kmflow_orchestration.demo.shared_evidence import (
    CHART_OF_ACCOUNTS,
    PURCHASING,
    PURCHASING_STEPS,
)

LENDING, PEOPLE = "loan-origination", "people-controls"
ENGAGEMENTS = (LENDING, PURCHASING, PEOPLE)
_STEPS = ("Receive application", "Check credit", "Value collateral", "Approve", "Pay out")

_LENDING_FILES = (
    workbook_file(
        f"{LENDING}/loans/loan_tape_2026-09.xlsx",
        {"Loans": (tables.LOANS, 3000), "Rates": (tables.RATES, 60)},
        Dirt("filler", "status", 12),
        side_file={
            "source_type": "primary",
            "source_date": "2026-09-30",
            "author": "Loan operations",
            "source_system": "core banking",
            "category": "structured_data",
            "classification": "confidential",
        },
    ),
    delimited_file(
        f"{LENDING}/loans/loan_tape_2026-10.csv",
        tables.LOANS,
        12_000,
        Dirt("wrong_type", "loan_amount", 25),
        Dirt("filler", "status", 40),
        Dirt("unlikely_date", "origination_date", 9),
        Dirt("duplicate_row", "", 30),
        side_file={
            "source_type": "primary",
            "source_date": "2026-10-31",
            "author": "Loan operations",
            "source_system": "core banking",
        },
    ),
    delimited_file(
        f"{LENDING}/customers.csv",
        tables.CUSTOMERS,
        5000,
        Dirt("leading_space", "last_name", 35),
        Dirt("digits_in_name", "first_name", 14),
        Dirt("non_printing", "street_address", 11),
        Dirt("filler", "phone", 60),
        Dirt("filler", "zip_code", 22),
        side_file={"source_date": "2026-10-15", "classification": "restricted"},
    ),
    delimited_file(f"{LENDING}/repayments.csv", tables.REPAYMENTS, 20_000),
    delimited_file(f"{LENDING}/branches.tsv", tables.BRANCHES, 40, delimiter="\t"),
    DemoFile(
        f"{LENDING}/rate_sheet.json", lambda rng: json_array(dirty_table(rng, tables.RATES, 120))
    ),
    DemoFile(
        f"{LENDING}/collateral.xml",
        lambda rng: xml_records(
            dirty_table(rng, tables.COLLATERAL, 400), root="collaterals", record="collateral"
        ),
    ),
    DemoFile(
        f"{LENDING}/application_events.jsonl",
        lambda rng: json_lines(dirty_table(rng, tables.event_log("APP", *_STEPS), 1500)),
    ),
    delimited_file(
        f"{LENDING}/process/origination_event_log.csv",
        tables.event_log("APP", *_STEPS),
        8000,
        Dirt("wrong_type", "duration_minutes", 17),
        Dirt("mixed_date", "completed_at", 20),
    ),
    DemoFile(
        f"{LENDING}/process/loan_origination.bpmn",
        lambda _rng: process_model("Loan origination", _STEPS),
    ),
    DemoFile(
        f"{LENDING}/interviews/underwriter.txt",
        lambda rng: interview(rng, "underwriter", "credit decision"),
        side_file={
            "source_type": "client_provided",
            "source_date": "2026-10-07",
            "author": "Field team",
        },
    ),
    DemoFile(
        f"{LENDING}/interviews/branch_manager.md",
        lambda rng: notes_page(rng, "Branch manager", ("Daily work", "Approvals", "Wishes")),
    ),
    DemoFile(
        f"{LENDING}/policies/credit_policy.md",
        lambda rng: notes_page(rng, "Credit policy", ("Purpose", "Limits", "Exceptions")),
        side_file={"source_type": "official", "category": "regulatory_policy"},
    ),
    DemoFile(
        f"{LENDING}/policies/credit_policy.pdf", lambda rng: page_document("Credit policy", rng)
    ),
    DemoFile(f"{LENDING}/screens/approval_screen.png", picture),
    DemoFile(
        f"{LENDING}/mail/exception_request.eml",
        lambda rng: mail(rng, "Exception for one case", "underwriting"),
    ),
    DemoFile(
        f"{LENDING}/workshop_summary.html", lambda rng: web_page(rng, "Workshop on origination")
    ),
    workbook_file(f"{LENDING}/controls/control_matrix.xlsx", {"Controls": (tables.CONTROLS, 45)}),
)

_PAYMENTS = delimited_file(f"{PURCHASING}/payment_runs.csv", tables.PAYMENT_RUNS, 2500)
VENDORS = delimited_file(
    f"{PURCHASING}/vendors.csv",
    tables.VENDORS,
    240,
    Dirt("duplicate_row", "", 6),
    Dirt("quoted_value", "vendor_name", 9),
    Dirt("leading_space", "city", 7),
    Dirt("filler", "contact_email", 8),
    side_file={"source_system": "ERP", "source_date": "2026-10-01"},
)
AP_CLERK = DemoFile(
    f"{PURCHASING}/interviews/ap_clerk.txt",
    lambda rng: interview(rng, "accounts payable clerk", "invoices"),
)
_PURCHASING_FILES = (
    VENDORS,
    delimited_file(
        f"{PURCHASING}/invoices_2026-08.csv", tables.INVOICES, 2500, Dirt("duplicate_row", "", 15)
    ),
    delimited_file(
        f"{PURCHASING}/invoices_2026-09.csv",
        tables.INVOICES,
        2600,
        Dirt("mixed_date", "due_date", 45),
        Dirt("unlikely_date", "invoice_date", 5),
    ),
    delimited_file(
        f"{PURCHASING}/purchase_orders.tsv", tables.PURCHASE_ORDERS, 1500, delimiter="\t"
    ),
    workbook_file(f"{PURCHASING}/goods_receipts.xlsx", {"Receipts": (tables.GOODS_RECEIPTS, 900)}),
    _PAYMENTS,
    copied(_PAYMENTS, f"{PURCHASING}/payment_runs (copy).csv"),
    delimited_file(
        f"{PURCHASING}/approval_log.csv",
        tables.event_log("REQ", *PURCHASING_STEPS),
        6000,
        Dirt("filler", "performed_by_role", 33),
    ),
    CHART_OF_ACCOUNTS,
    DemoFile(
        f"{PURCHASING}/vendor_contacts.json",
        lambda rng: json_array(dirty_table(rng, tables.VENDORS, 80)),
    ),
    DemoFile(
        f"{PURCHASING}/invoices/einvoice_batch.xml",
        lambda rng: xml_records(
            dirty_table(rng, tables.INVOICES, 50), root="invoices", record="invoice"
        ),
    ),
    DemoFile(f"{PURCHASING}/invoices/invoice_scan.png", picture),
    DemoFile(
        f"{PURCHASING}/supplier_contract.pdf", lambda rng: page_document("Supply agreement", rng)
    ),
    DemoFile(
        f"{PURCHASING}/reminder.eml", lambda rng: mail(rng, "Second reminder", "accounts-payable")
    ),
    AP_CLERK,
    DemoFile(
        f"{PURCHASING}/interview_notes.md",
        lambda rng: notes_page(rng, "Interviews in purchasing", ("Requests", "Orders", "Invoices")),
    ),
    DemoFile(
        f"{PURCHASING}/p2p_policy.md",
        lambda rng: notes_page(rng, "Purchasing policy", ("Scope", "Approval limits", "Vendors")),
    ),
    DemoFile(
        f"{PURCHASING}/p2p_process.bpmn",
        lambda _rng: process_model("Procure to pay", PURCHASING_STEPS),
    ),
    workbook_file(
        f"{PURCHASING}/three_way_match_controls.xlsx", {"Controls": (tables.CONTROLS, 30)}
    ),
    DemoFile(
        f"{PURCHASING}/latest_vendors.csv",
        lambda _rng: b"",
        (Dirt("symlink_out"),),
        link_to=f"../../globex/{PURCHASING}/vendors.csv",
    ),
)

_PEOPLE_FILES = (
    delimited_file(
        f"{PEOPLE}/employees.csv", tables.EMPLOYEES, 900, Dirt("cp1252"), encoding="cp1252"
    ),
    delimited_file(
        f"{PEOPLE}/training_records.csv",
        tables.TRAINING,
        2700,
        Dirt("utf8_bom"),
        Dirt("wrong_type", "score_percent", 13),
        encoding="utf-8-sig",
    ),
    delimited_file(
        f"{PEOPLE}/payroll_journal.csv",
        tables.JOURNAL_ENTRIES,
        6000,
        Dirt("surplus_field", "", 18),
        Dirt("missing_field", "", 12),
    ),
    delimited_file(f"{PEOPLE}/access_rights.csv", tables.ACCESS_RIGHTS, 3000),
    delimited_file(f"{PEOPLE}/leavers.tsv", tables.LEAVERS, 140, delimiter="\t"),
    workbook_file(
        f"{PEOPLE}/duties_matrix.xlsx",
        {"Duties": (tables.CONTROLS, 60), "Access": (tables.ACCESS_RIGHTS, 500)},
    ),
    truncated(workbook_file(f"{PEOPLE}/headcount.xlsx", {"Headcount": (tables.EMPLOYEES, 400)})),
    DemoFile(f"{PEOPLE}/empty_export.csv", lambda _rng: b"", (Dirt("empty_file"),)),
    DemoFile(
        f"{PEOPLE}/hr_lead.md",
        lambda rng: notes_page(rng, "Head of people", ("Joiners", "Movers", "Leavers")),
    ),
    DemoFile(f"{PEOPLE}/leave_policy.txt", lambda rng: interview(rng, "people team", "leave", 8)),
    DemoFile(
        f"{PEOPLE}/reference/us_employment.csv",
        lambda _rng: public_table("vega_datasets", "us-employment.csv"),
        side_file={"source_type": "third_party", "source_system": "vega_datasets"},
    ),
    DemoFile(
        f"{PEOPLE}/reference/penguins.csv",
        lambda _rng: public_table("palmerpenguins", "penguins.csv"),
        side_file={"source_type": "third_party", "source_system": "palmerpenguins"},
    ),
)

_MISPLACED = (
    DemoFile(
        "read_me_first.txt",
        lambda rng: interview(rng, "sender", "what is in these folders", 3),
        (Dirt("outside_engagement"),),
    ),
    delimited_file("Archive 2019/old_loans.csv", tables.LOANS, 50, Dirt("outside_engagement")),
)

FIRST = (*_LENDING_FILES, *_PURCHASING_FILES, *_PEOPLE_FILES, *_MISPLACED)

SECOND = (
    delimited_file(
        VENDORS.path,
        tables.VENDORS,
        250,
        Dirt("changed_file"),
        Dirt("quoted_value", "vendor_name", 3),
        words=("second drop",),
    ),
    delimited_file(
        f"{PURCHASING}/invoices_2026-10.csv",
        tables.INVOICES,
        2400,
        Dirt("wrong_type", "amount", 19),
    ),
    copied(AP_CLERK, f"{PURCHASING}/interviews/ap_clerk_final.txt"),
    delimited_file(f"{LENDING}/loans/loan_tape_2026-11.csv", tables.LOANS, 5000),
    DemoFile(
        f"{LENDING}/interviews/collections.txt",
        lambda rng: interview(rng, "collections clerk", "late loans"),
    ),
)
