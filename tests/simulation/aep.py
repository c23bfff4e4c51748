"""A destination with every outcome that there is, at any delay; it knows which events it will not take."""

import asyncio

import orjson

from bridge.model.verdicts import (
    ACCEPTED,
    AllAccepted,
    Answered,
    Misconfigured,
    Mismatched,
    Rejected,
    Stage,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)

NATURES = ("plain", "poison", "unexplained", "suspect", "oversize", "postponed")
"""Of an event: taken; refused by its own verdict, by its whole request, by errors for ever, by size; taken only later."""
_DELAYS = (0.002, 0.02, 0.05, 0.05, 0.1, 0.2, 0.5, 1.5)
_TIMEOUT = 30.0


class Connection:
    """What one worker has of it: the destination's side of :class:`bridge.model.ports.Destination`."""

    name, max_request_bytes, max_request_events, frame_bytes, separator_bytes = "simulated", 4_000, 40, 10, 1

    def __init__(self, server):
        self._server = server

    def encode(self, event):
        """The event's name, and whose audiences it carries."""
        return orjson.dumps((event["event_uuid"], event.get("customer_id"), event.get("audienceNames")))

    async def send(self, items):
        """Hand the request to the server, which goes on whatever becomes of the sender."""
        answer = asyncio.get_running_loop().create_future()
        found = [orjson.loads(item) for item in items]
        self._server.receive([name for name, *_ in found], answer, {name: carried for name, *carried in found})
        return await answer

    async def aclose(self):
        """There is nothing to close."""


class SimulatedAep:
    """``modes`` are the faults that are on, by name, each with its parameter; ``count`` is told of what happens."""

    def __init__(self, loop, random, account, count, trace):
        self._loop, self._random, self._account, self._count, self._trace = loop, random, account, count, trace
        self.natures = {}
        self.postponed_until = {}
        self.modes = {}
        self.requests = 0
        self.taken = lambda _carried: None
        self._carried = {}
        self.last_success = loop.time()

    def receive(self, names, answer, carried):
        """A request has left; its answer comes some time, or never. ``carried``: by name, whose audiences it carries."""
        self.requests += 1
        there = self._random.choice(_DELAYS) * self._random.random()
        back = self._random.choice(_DELAYS) * self._random.random()
        if "slow" in self.modes:
            back += self._random.random() * self.modes["slow"]
            self._count("aep answers slowly")
        self._loop.outside(there, self._arrive, names, answer, back, carried)

    def _arrive(self, names, answer, back, carried):
        raised = None
        self._carried = carried
        try:
            outcome = self._judge(names)
        except RuntimeError as error:
            outcome, raised = None, error
        if "hang" in self.modes and self._random.random() < self.modes["hang"]:
            self._count("aep does not answer")
            outcome, raised, back = Transient("timeout", data_suspect=False), None, _TIMEOUT
        elif "lost" in self.modes and self._random.random() < self.modes["lost"] and isinstance(outcome, AllAccepted):
            self._count("aep takes events and its answer is lost")
            outcome = Transient("connection lost")
        self._trace("aep", lambda: f"answers {type(outcome).__name__} to {names[:3]}… ({len(names)}) in {back:.3f} s")
        self._loop.outside(back, self._reply, answer, outcome, raised)

    @staticmethod
    def _reply(answer, outcome, raised):
        if answer.done():
            return
        if raised is not None:
            answer.set_exception(raised)
        else:
            answer.set_result(outcome)

    def _judge(self, names):
        modes, draw, count = self.modes, self._random.random, self._count
        if "down" in modes:
            count("aep is away")
            return Transient("connection refused")
        if "unauthorized" in modes:
            count("aep refuses credentials")
            # Every other second nothing is sent: then it is IMS that refuses.
            return Unauthorized("the token is refused", sent=int(self._loop.time()) % 2 == 0)
        if "misconfigured" in modes:
            count("aep knows no such inlet")
            return Misconfigured("no such inlet")
        if "throttled" in modes:
            after = modes["throttled"]
            count("aep throttles and says for how long" if after is not None else "aep throttles")
            return Throttled(429 if draw() < 0.5 else 503, after)
        if draw() < modes.get("errors", 0.0):
            suspect = draw() < 0.5
            count("aep fails and the data may be why" if suspect else "aep fails")
            return self._suspected(names) if suspect else Transient("http_502")
        if draw() < modes.get("mismatched", 0.0):
            count("aep answers something else")
            self._suspected(names)
            return Mismatched("other ids")
        if draw() < modes.get("raises", 0.0):
            count("the destination breaks its word and raises")
            raise RuntimeError("simulated")
        return self._judge_events(names)

    def _judge_events(self, names):
        modes, draw, count = self.modes, self._random.random, self._count
        natures = {self.natures.get(name, "plain") for name in names}
        if "oversize" in natures:
            count("aep finds a request too large")
            return TooLarge()
        if "unexplained" in natures:
            count("aep refuses a request and does not say why")
            return Unexplained("aep_400", "refused")
        if "suspect" in natures:
            count("aep fails on an event")
            return self._suspected(names)
        if draw() < modes.get("all_items", 0.0):
            count("aep puts off each event of a request")
            return Answered([Transient("http_503", data_suspect=False)] * len(names))
        verdicts = [self._verdict(name) for name in names]
        if draw() < modes.get("short", 0.0):
            # What it took it has taken; who is told so cannot tell which.
            count("aep gives too few verdicts")
            self._suspected(names)
            return Answered(verdicts[:-1])
        if all(verdict is ACCEPTED for verdict in verdicts) and draw() < 0.8:
            return AllAccepted()
        return Answered(verdicts)

    def _verdict(self, name):
        now = self._loop.time()
        nature = self.natures.get(name, "plain")
        if nature == "poison":
            self._count("aep refuses an event of a request")
            self._account.events[name].refused += 1
            return Rejected(Stage.DELIVER, "aep_422", "refused")
        if nature == "postponed" and now < self.postponed_until[name]:
            self._count("aep puts off an event for long")
            self._account.events[name].put_off = True
            return Transient("http_500", data_suspect=False)
        if self._random.random() < self.modes.get("items", 0.0):
            self._count("aep puts off an event of a request")
            self._account.events[name].put_off = True
            return Transient("http_503", data_suspect=False)
        self._account.accepted(name, now)
        self.taken(self._carried[name])
        self.last_success = now
        return ACCEPTED

    def _suspected(self, names):
        for name in names:
            if name in self._account.events:
                self._account.events[name].suspicions += 1
        return Transient("http_500", data_suspect=True)
