"""Evidence of the group `globex`: a freight forwarder, with a purchasing engagement like acme's."""

from __future__ import annotations

from kmflow_orchestration.demo import business_tables as tables
from kmflow_orchestration.demo.demo_file import (
    DemoFile,
    copied,
    delimited_file,
    dirty_table,
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
)
from kmflow_orchestration.demo.file_formats import json_array, xml_records
from kmflow_orchestration.demo.public_tables import public_table
from kmflow_orchestration.demo.shared_evidence import (
    CHART_OF_ACCOUNTS,
    PURCHASING,
    PURCHASING_STEPS,
)

FREIGHT = "freight-operations"
ENGAGEMENTS = (PURCHASING, FREIGHT)
_STEPS = ("Book", "Pick up", "Sort", "Fly", "Clear customs", "Deliver")

_PAYMENTS = delimited_file(f"{PURCHASING}/payment_runs.csv", tables.PAYMENT_RUNS, 1800)
# The same names as in acme's engagement of the same name; only the content differs.
_PURCHASING_FILES = (
    delimited_file(
        f"{PURCHASING}/vendors.csv",
        tables.VENDORS,
        180,
        Dirt("filler", "phone", 10),
        Dirt("digits_in_name", "city", 5),
    ),
    delimited_file(
        f"{PURCHASING}/invoices_2026-08.csv",
        tables.INVOICES,
        1900,
        Dirt("wrong_type", "tax", 8),
    ),
    delimited_file(f"{PURCHASING}/invoices_2026-09.csv", tables.INVOICES, 1850),
    delimited_file(
        f"{PURCHASING}/purchase_orders.tsv", tables.PURCHASE_ORDERS, 1200, delimiter="\t"
    ),
    _PAYMENTS,
    delimited_file(
        f"{PURCHASING}/approval_log.csv", tables.event_log("REQ", *PURCHASING_STEPS), 3000
    ),
    CHART_OF_ACCOUNTS,
    DemoFile(
        f"{PURCHASING}/reminder.eml", lambda rng: mail(rng, "Second reminder", "accounts-payable")
    ),
    DemoFile(
        f"{PURCHASING}/interview_notes.md",
        lambda rng: notes_page(rng, "Interviews in purchasing", ("Requests", "Orders", "Invoices")),
    ),
    DemoFile(
        f"{PURCHASING}/p2p_policy.md",
        lambda rng: notes_page(rng, "Purchasing policy", ("Scope", "Approval limits", "Vendors")),
    ),
    workbook_file(
        f"{PURCHASING}/three_way_match_controls.xlsx", {"Controls": (tables.CONTROLS, 24)}
    ),
)

CARRIERS = workbook_file(
    f"{FREIGHT}/carriers.xlsx",
    {"Carriers": (tables.CARRIERS, 25), "Rates": (tables.FREIGHT_RATES, 90)},
    side_file={"source_system": "freight system", "source_date": "2026-09-12"},
)
_FREIGHT_FILES = (
    delimited_file(
        f"{FREIGHT}/shipments_2026-09.csv",
        tables.SHIPMENTS,
        14_000,
        Dirt("filler", "destination_airport", 50),
        Dirt("duplicate_row", "", 20),
        side_file={
            "source_type": "primary",
            "source_date": "2026-09-30",
            "author": "Freight desk",
            "source_system": "freight system",
        },
    ),
    CARRIERS,
    delimited_file(
        f"{FREIGHT}/claims.csv",
        tables.CLAIMS,
        1200,
        Dirt("non_printing", "damage_note", 16),
        Dirt("wrong_type", "claimed_amount", 21),
        Dirt("mixed_date", "reported_on", 30),
    ),
    # A CSV that somebody renamed.
    delimited_file(
        f"{FREIGHT}/freight_rates.xlsx", tables.FREIGHT_RATES, 300, Dirt("lying_extension")
    ),
    delimited_file(f"{FREIGHT}/warehouse_event_log.csv", tables.event_log("SHP", *_STEPS), 9000),
    DemoFile(
        f"{FREIGHT}/customs_declarations.xml",
        lambda rng: xml_records(
            dirty_table(rng, tables.DECLARATIONS, 600), root="declarations", record="declaration"
        ),
    ),
    DemoFile(
        f"{FREIGHT}/route_plan.json",
        lambda rng: json_array(dirty_table(rng, tables.FREIGHT_RATES, 150)),
    ),
    DemoFile(f"{FREIGHT}/delivery_process.bpmn", lambda _rng: process_model("Delivery", _STEPS)),
    DemoFile(
        f"{FREIGHT}/driver_notes.txt", lambda rng: interview(rng, "driver", "first and last mile")
    ),
    DemoFile(
        f"{FREIGHT}/delivery_policy.md",
        lambda rng: notes_page(rng, "Delivery policy", ("Promise", "Exceptions", "Claims")),
    ),
    DemoFile(f"{FREIGHT}/dock_photo.png", picture),
    DemoFile(f"{FREIGHT}/tariff.pdf", lambda rng: page_document("Tariff", rng)),
    DemoFile(
        f"{FREIGHT}/reference/airports.csv",
        lambda _rng: public_table("vega_datasets", "airports.csv"),
        side_file={"source_type": "third_party", "source_system": "vega_datasets"},
    ),
    DemoFile(
        f"{FREIGHT}/reference/seattle_weather.csv",
        lambda _rng: public_table("vega_datasets", "seattle-weather.csv"),
        side_file={"source_type": "third_party", "source_system": "vega_datasets"},
    ),
    DemoFile(
        f"{FREIGHT}/reference/cars.json", lambda _rng: public_table("vega_datasets", "cars.json")
    ),
)

FIRST = (*_PURCHASING_FILES, *_FREIGHT_FILES)

SECOND = (
    workbook_file(
        CARRIERS.path,
        {"Carriers": (tables.CARRIERS, 28), "Rates": (tables.FREIGHT_RATES, 90)},
        Dirt("changed_file"),
        words=("second drop",),
    ),
    delimited_file(f"{FREIGHT}/shipments_2026-10.csv", tables.SHIPMENTS, 6000),
    delimited_file(f"{PURCHASING}/invoices_2026-10.csv", tables.INVOICES, 1700),
    copied(_PAYMENTS, f"{PURCHASING}/payment_runs_resent.csv"),
)
