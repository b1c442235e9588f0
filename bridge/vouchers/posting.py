"""What becomes of one transaction: look for its vouchers, draft them, submit them."""

from bridge.http import Stopped
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.vouchers.forms import Part, Voucher
from bridge.vouchers.office import Office
from bridge.vouchers.plan import Booking, Task, Undone, document
from contract.transactions import Transaction


class Clerk:
    """One ERP of vouchers, as a connector."""

    def __init__(self, office: Office) -> None:
        self.settle = office.settings.http.settle
        self._office = office

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Bring `transaction` into the ERP once, however often this is called for its id.

        Looks for it first even when `again` is False: what an order still owes, and what a count
        differs by, can only be asked before it is booked.
        """
        task = document(transaction, self._office.settings)
        if isinstance(task, Posted | Refused):
            return task
        try:
            if isinstance(task.work, Undone):
                return await self._undo(task.work.earlier, again=again)
            return await self._book(task, task.work)
        except Stopped as stopped:
            if isinstance(stopped.outcome, Refused):
                self._office.forget()
            return stopped.outcome

    async def _book(self, task: Task, work: Booking) -> Outcome:
        parts = self._office.forms.parts(work)
        there = await self._look(parts, task.reference)
        alive = {part: each for part, each in there.items() if each.state != "cancelled"}
        if there and not alive:
            names = ", ".join(voucher.name for voucher in there.values())
            return Refused("refused", f"{names} was cancelled there")
        there = alive
        # What was submitted had all its drafts made before
        if not any(voucher.state == "submitted" for voucher in there.values()):
            await self._draft(task, work, there)
        await self._submit(task, {part: there[part] for part in parts if part in there})
        return Posted(", ".join(there[part].name for part in parts if part in there))

    async def _look(self, parts: tuple[Part, ...], reference: str) -> dict[Part, Voucher]:
        found = {part: await self._office.find(part, reference) for part in parts}
        return {part: voucher for part, voucher in found.items() if voucher is not None}

    async def _draft(self, task: Task, work: Booking, there: dict[Part, Voucher]) -> None:
        """Draft what is missing into `there`, the last part last, and rewrite what has changed."""
        parts = self._office.forms.parts(work)
        agreed = all(voucher.mark == task.mark for voucher in there.values())
        if parts[-1] in there and agreed:
            return
        wanted = await self._office.fill(work)
        for part, values in wanted:
            voucher = there.get(part)
            if voucher is None:
                there[part] = await self._office.draft(part, task, values)
            elif voucher.mark != task.mark:
                there[part] = await self._office.rewrite(part, voucher, task, values)
        for part in there.keys() - {part for part, _ in wanted}:
            if not agreed:  # a person changed the transaction, and now there is no such part
                await self._office.discard(part, there.pop(part))

    async def _submit(self, task: Task, there: dict[Part, Voucher]) -> None:
        counts = [voucher.name for voucher in there.values() if voucher.state == "submitted"]
        for part, voucher in there.items():
            if voucher.state == "submitted":
                continue
            try:
                await self._office.submit(part, voucher, task.reference)
            except Stopped as stopped:
                raise _halfway(stopped, voucher, counts) from None
            counts.append(voucher.name)

    async def _undo(self, earlier: str, *, again: bool) -> Outcome:
        there = await self._look(self._office.forms.undoable(), earlier)
        if not there and again:
            return Posted("")  # a draft that an earlier attempt deleted
        if not there:
            text = f"nothing there was booked for transaction {earlier}"
            return Refused("unknown_document", text)
        for part, voucher in there.items():
            match voucher.state:
                case "draft":
                    await self._office.discard(part, voucher)
                case "submitted":
                    await self._office.cancel(part, voucher, earlier)
        return Posted(", ".join(voucher.name for voucher in there.values()))


def _halfway(stopped: Stopped, voucher: Voucher, counts: list[str]) -> Stopped:
    """Say of a draft that is not submitted what stands there, and never that it is nothing."""
    match stopped.outcome:
        case Refused(code, text):
            also = f", and {', '.join(counts)} counts" if counts else ""
            return Stopped(Refused(code, f"{text} ({voucher.name} stays a draft{also})"))
        case TryLater(why) if counts:
            return Stopped(Unknown(f"{', '.join(counts)} counts, {voucher.name} not yet: {why}"))
    return stopped
