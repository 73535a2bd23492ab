"""Values of generated tables: what people keep in files, in the languages of an encoding."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

ASCII_WORDS: Final = (
    "North",
    "Harbour",
    "invoice",
    "Alpine Trading",
    "blue",
    "pending",
    "warehouse",
    "Delta",
    "review",
    "Orchard",
    "Meadow Lane",
    "shipment",
    "Copper",
    "West End",
    "approved",
    "draft",
)
WORDS: Final[dict[str, tuple[str, ...]]] = {
    "utf-8": ("Größe", "Łódź", "São Paulo", "東京", "Москва", "naïve", "Malmö", "Kraków", "北京"),
    "utf-16": ("Größe", "Łódź", "São Paulo", "東京", "Москва", "naïve", "Malmö", "Kraków"),
    "cp1252": (
        "Größe", "Müller", "Straße", "München", "Köln", "Übung", "geprüft", "Zürich", "Bäckerei",
        "Jörg", "Fußball", "Grün", "Öffnung", "für Kinder",
    ),
    "cp1250": (
        "Łódź", "Kraków", "Gdańsk", "Wrocław", "Poznań", "Żółw", "zamówienie", "miesiąc",
        "święto", "źródło", "ćwiczenie", "łąka",
    ),
    "cp1251": (
        "Москва", "Казань", "договор", "счёт", "Новгород", "отчёт", "Пермь", "площадь", "объект",
        "Тверь", "улица Мира",
    ),
    "shift_jis": (
        "東京", "大阪府", "株式会社", "カタログ", "報告書", "山田太郎", "さくら", "名古屋",
        "請求書", "テスト",
    ),
    "gb18030": (
        "北京市", "上海", "有限公司", "合同", "发票", "王小明", "广州", "部门", "数量单",
        "深圳",
    ),
}  # fmt: skip
FIRST_NAMES: Final = ("Ada", "Bram", "Chen", "Dora", "Emil", "Fatou", "Gus", "Hana", "Ivo", "Jun")

Column = tuple[str, Callable[[Random], str]]


def columns(encoding: str) -> tuple[Column, ...]:
    """Kinds of columns, each a name and a way to make values; the first four hold no text."""
    words = WORDS[encoding]

    def word(random: Random) -> str:
        return random.choice(words if random.random() < 0.6 else ASCII_WORDS)

    def day(random: Random) -> str:
        year, month = random.randint(2010, 2026), random.randint(1, 12)
        return f"{year}-{month:02d}-{random.randint(1, 28):02d}"

    def moment(random: Random) -> str:
        return f"{day(random)} {random.randint(10, 23)}:{random.randint(10, 59)}:00"

    def code(random: Random) -> str:
        return f"{random.choice('ABCDEF')}{random.randint(100, 999)}-{random.randint(1, 9)}"

    def email(random: Random) -> str:
        return f"{random.choice(FIRST_NAMES).lower()}{random.randint(1, 99)}@example.org"

    return (
        ("id", lambda random: str(random.randint(1, 99_999))),
        ("amount", lambda random: f"{random.uniform(1, 9000):.2f}"),
        ("booked_on", day),
        ("quantity", lambda random: str(random.randint(0, 400))),
        ("city", word),
        ("name", lambda random: f"{random.choice(FIRST_NAMES)} {word(random)}"),
        ("status", lambda random: random.choice(("open", "closed", "on hold", "lost"))),
        ("note", lambda random: " ".join(word(random) for _ in range(random.randint(1, 5)))),
        ("code", code),
        ("share", lambda random: f"{random.random():.4f}"),
        ("seen_at", moment),
        ("email", email),
    )
