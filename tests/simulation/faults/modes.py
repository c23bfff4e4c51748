"""Faults that are modes of the doubles: of AEP's, the brokers', and the topics'."""


def mode_of(modes_of, name, value):
    """A fault that is a mode of one of the doubles; the latest of a name decides when it ends."""

    def begin(world, draw):
        modes = modes_of(world)
        token = modes[name] = value(draw) if callable(value) else value

        def end():
            if name in modes and modes[name] == token:
                del modes[name]

        return end

    return begin


def aep_mode(name, value=True):
    """A mode of AEP, ``value`` or what it gives for the seed's draw."""
    return mode_of(lambda world: world.aep.modes, name, value)


def brokers_mode(name, value=True):
    """A mode of the brokers."""
    return mode_of(lambda world: world.cluster.modes, name, value)


def letters_mode(name, value=True):
    """A mode of the dead-letter topic and of the producer that writes to it."""
    return mode_of(lambda world: world.letters.modes, name, value)


def state_mode(name, value):
    """A mode of the topic of the route's state."""
    return mode_of(lambda world: world.route_state.modes, name, value)


def some_share(draw):
    """The share of requests that a mode meets: a fifth at the least, drawn anew for each fault."""
    return 0.2 + 0.8 * draw.random()
