"""What one writes first with asyncio: a commit for each scan, a publish awaited one at a time.

python -m tests.bench.naive BROKER_PORT FOLDER tell|quiet TTY...
"""

import asyncio
import json
import os
import sys
import time
import tty
from pathlib import Path

import aiomqtt
import aiosqlite

from tests.bench.tap import TOPIC


async def read(
    number: int, path: str, db: aiosqlite.Connection, stored: asyncio.Event, *, tell: bool
) -> None:
    """Store each scan of one port."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(descriptor)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    while line := await reader.readline():
        code = line.strip().decode("latin-1")
        body = json.dumps({"device": number, "code": code, "at": time.time()})
        await db.execute("INSERT INTO scans (body) VALUES (?)", (body,))
        await db.commit()
        if tell:
            os.write(2, f"ok {code}\n".encode())
        stored.set()


async def forward(broker_port: int, db: aiosqlite.Connection, stored: asyncio.Event) -> None:
    """Publish what is stored, oldest first, and delete it."""
    while True:
        try:
            async with aiomqtt.Client("127.0.0.1", broker_port) as client:
                while True:
                    stored.clear()
                    async with db.execute(
                        "SELECT id, body FROM scans ORDER BY id LIMIT 100"
                    ) as found:
                        rows = list(await found.fetchall())
                    for row, body in rows:
                        await client.publish(TOPIC, body, qos=1)
                        await db.execute("DELETE FROM scans WHERE id = ?", (row,))
                        await db.commit()
                    if not rows:
                        await stored.wait()
        except aiomqtt.MqttError:
            await asyncio.sleep(0.5)


async def main(broker_port: str, folder: str, tell: str, *ttys: str) -> None:
    """Run until killed."""
    async with aiosqlite.connect(Path(folder) / "scans.db") as db:
        await db.execute("PRAGMA journal_mode = WAL")
        await db.execute("PRAGMA synchronous = FULL")
        await db.execute("CREATE TABLE IF NOT EXISTS scans (id INTEGER PRIMARY KEY, body TEXT)")
        await db.commit()
        stored = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forward(int(broker_port), db, stored))
            for number, path in enumerate(ttys):
                tasks.create_task(read(number, path, db, stored, tell=tell == "tell"))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
