"""Evidence that is no table: notes, policies, mails, process models, scans."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

_OBSERVATIONS = (
    "The four-eyes check happens after the entry is posted, not before.",
    "Two spreadsheets are kept beside the system because its report lacks the due date.",
    "Requests by mail are entered later; some are entered twice.",
    "Limits were last reviewed two years ago and are not known to the team.",
    "Exceptions are approved by phone and documented only when an auditor asks.",
    "When the interface fails at night, the file is loaded again by hand in the morning.",
    "Master data changes need no second person as long as the amount is zero.",
    "Returned items wait about nine days before anyone looks at them.",
    "New colleagues get the access of the person they replace, all of it.",
    "The month-end checklist is complete, but nobody signs it.",
)
_QUESTIONS = (
    "How does a request reach you?",
    "What happens when something is missing?",
    "Who may approve, and up to which amount?",
    "Which numbers do you report, and where do they come from?",
    "What would you change first?",
)


def interview(rng: random.Random, role: str, topic: str, paragraphs: int = 12) -> bytes:
    """Plain text notes of an interview, by question."""
    lines = [f"Interview notes: {role}", f"Topic: {topic}", ""]
    for number in range(paragraphs):
        lines += [f"{number + 1}. {rng.choice(_QUESTIONS)}", _paragraph(rng), ""]
    return "\n".join(lines).encode()


def notes_page(rng: random.Random, title: str, sections: Sequence[str]) -> bytes:
    """Markdown with headings, paragraphs and a list."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section}", "", _paragraph(rng), "", _paragraph(rng), ""]
        lines += [f"- {rng.choice(_OBSERVATIONS)}" for _ in range(3)]
        lines.append("")
    return "\n".join(lines).encode()


def web_page(rng: random.Random, title: str) -> bytes:
    items = "".join(f"<li>{escape(rng.choice(_OBSERVATIONS))}</li>" for _ in range(8))
    return (
        f"<!doctype html><html><head><title>{escape(title)}</title></head>"
        f"<body><h1>{escape(title)}</h1><ul>{items}</ul></body></html>\n"
    ).encode()


def mail(rng: random.Random, subject: str, sender_role: str) -> bytes:
    """An RFC 822 message between two mailboxes of roles."""
    return (
        f"From: {sender_role}@example.com\r\nTo: controller@example.com\r\n"
        f"Subject: {subject}\r\nDate: Mon, 05 Oct 2026 09:12:00 +0000\r\n"
        f"Message-ID: <{rng.getrandbits(64):016x}@example.com>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        f"{_paragraph(rng)}\r\n"
    ).encode()


def process_model(name: str, activities: Sequence[str]) -> bytes:
    """BPMN 2.0 with the activities in one line."""
    steps = ["start", *(f"task{n}" for n in range(len(activities))), "end"]
    nodes = ['    <startEvent id="start"/>']
    nodes += [
        f'    <task id="task{number}" name={quoteattr(text)}/>'
        for number, text in enumerate(activities)
    ]
    nodes.append('    <endEvent id="end"/>')
    nodes += [
        f'    <sequenceFlow id="flow{n}" sourceRef="{one}" targetRef="{two}"/>'
        for n, (one, two) in enumerate(pairwise(steps))
    ]
    body = "\n".join(nodes)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" '
        'targetNamespace="http://example.com/bpmn">\n'
        f'  <process id="process" name={quoteattr(name)} isExecutable="false">\n{body}\n'
        "  </process>\n</definitions>\n"
    ).encode()


def page_document(title: str, rng: random.Random) -> bytes:
    """A PDF of one page with real text and a correct table of positions."""
    lines = [title, *(rng.choice(_OBSERVATIONS) for _ in range(6))]
    escaped = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in lines]
    drawn = "BT /F1 11 Tf 14 TL 50 780 Td " + " T* ".join(f"({line}) Tj" for line in escaped)
    stream = f"{drawn} ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R %s >>"
        % b"/Resources << /Font << /F1 5 0 R >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    return _numbered(objects)


def picture(rng: random.Random, width: int = 96, height: int = 64) -> bytes:
    """A PNG of grey bars, as a scan or screen shot would be."""
    bars = [rng.randrange(256) for _ in range(8)]
    line = b"\x00" + bytes(bars[x * 8 // width] for x in range(width))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(line * height, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _paragraph(rng: random.Random) -> str:
    return " ".join(rng.sample(_OBSERVATIONS, 4))


def _numbered(objects: Sequence[bytes]) -> bytes:
    document = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return document + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (count, table, count, len(document))
    )
