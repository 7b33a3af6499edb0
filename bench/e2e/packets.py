"""What a capture of pollux-bench shows of its connections: lengths, options, who closes, sums.

A figure means nothing without it, and the programs' options only say what was asked for.
"""

import struct
from dataclasses import dataclass, field

_SECTION, _PACKET = 0x0A0D0D0A, 6
_ETHERTYPE_IPV4, _TCP = 0x0800, 6
FIN, SYN, ACK = 0x01, 0x02, 0x10
_OPTIONS = {2: "MSS", 3: "window scale", 4: "SACK", 8: "timestamps"}


def frames(capture):
    """The frames of one interface of a pcapng file (bytes, in this host's order), first to last:
    those of the interface that the file names first, which has each of them once."""
    at, out = 0, []
    if len(capture) < 12 or struct.unpack_from("=I", capture)[0] != _SECTION:
        raise ValueError("it is no pcapng file of this host's byte order")
    while at + 12 <= len(capture):
        kind, length = struct.unpack_from("=II", capture, at)
        if length < 12 or length % 4 or at + length > len(capture):
            raise ValueError(f"block at {at}: length {length}")
        if kind == _PACKET:
            interface, _, _, captured, _ = struct.unpack_from("=IIIII", capture, at + 8)
            if captured > length - 32:
                raise ValueError(f"block at {at}: {captured} bytes in {length}")
            if interface == 0:
                out.append(capture[at + 28:at + 28 + captured])
        at += length
    return out


def ones_complement_sum(data):
    """RFC 1071: 0xFFFF over bytes that contain their own checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@dataclass
class Segment:
    """A TCP segment over IPv4 (RFC 9293 section 3.1)."""
    source: tuple
    target: tuple
    seq: int
    flags: int
    options: list
    text: bytes
    good_sums: bool  # the IPv4 header's checksum and its own


def segment(frame):
    """The segment in a frame; None where there is none."""
    if len(frame) < 54 or struct.unpack_from("!H", frame, 12)[0] != _ETHERTYPE_IPV4:
        return None
    datagram = frame[14:14 + struct.unpack_from("!H", frame, 16)[0]]
    head = (datagram[0] & 0x0F) * 4
    if datagram[9] != _TCP or len(datagram) < head + 20:
        return None
    tcp = datagram[head:]
    data = (tcp[12] >> 4) * 4
    ports = struct.unpack_from("!HH", tcp)
    pseudo = datagram[12:20] + struct.pack("!HH", _TCP, len(tcp))
    return Segment((datagram[12:16], ports[0]), (datagram[16:20], ports[1]),
                   struct.unpack_from("!I", tcp, 4)[0], tcp[13],
                   option_kinds(tcp[20:data]), tcp[data:],
                   ones_complement_sum(datagram[:head]) == ones_complement_sum(pseudo + tcp)
                   == 0xFFFF)


def option_kinds(options):
    """Their numbers; stops at what cannot be read."""
    kinds, at = [], 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        kinds.append(options[at])
        if at + 1 >= len(options) or options[at + 1] < 2:
            break
        at += options[at + 1]
    return kinds


@dataclass
class Connection:
    """What both sides of one have sent, each byte once however often it went."""
    client: tuple
    isn: dict = field(default_factory=dict)      # of each side's SYN
    text: dict = field(default_factory=lambda: {"client": b"", "server": b""})
    options: dict = field(default_factory=dict)  # of each side's SYN
    fins: list = field(default_factory=list)     # the sides, in the order of their first FIN

    def add(self, each):
        side = "client" if each.source == self.client else "server"
        if each.flags & SYN:
            self.isn[side], self.options[side] = each.seq, each.options
        if side not in self.isn:
            return
        known = self.text[side]
        at = (each.seq - self.isn[side] - 1) % (1 << 32)
        if at <= len(known) < at + len(each.text):
            self.text[side] += each.text[len(known) - at:]
        if each.flags & FIN and side not in self.fins:
            self.fins.append(side)


def connections(segments):
    """All of which the capture has the SYN and both FINs, in the order of their SYNs."""
    found, all_of_them = {}, []
    for each in segments:
        names = frozenset((each.source, each.target))
        known = found.get(names)
        if each.flags & (SYN | ACK) == SYN and (known is None or known.isn["client"] != each.seq):
            known = found[names] = Connection(each.source)
            all_of_them.append(known)
        if known is not None:
            known.add(each)
    return [connection for connection in all_of_them if len(connection.fins) == 2]


def facts(capture):
    """What was on, from the bytes: for a row's "on". ValueError, with the reason, where the
    connections of the capture differ, or there is none."""
    segments = [each for each in map(segment, frames(capture)) if each is not None]
    whole = connections(segments)
    if not whole:
        raise ValueError("no connection from its SYN to both FINs")
    seen = {(len(c.text["client"]), len(c.text["server"]), tuple(c.options["client"]),
             tuple(c.options.get("server", ())), c.fins[0]) for c in whole}
    if len(seen) > 1:
        raise ValueError(f"connections differ: {sorted(seen)}")
    request, reply, asked, agreed, closes = seen.pop()
    good = sum(each.good_sums for each in segments)
    names = [_OPTIONS.get(kind, str(kind)) for kind in asked if kind in agreed]
    return {"tcp_options": ", ".join(names) or "none",
            "checksums": f"right in the bytes of {good} of {len(segments)} segments",
            "closes": closes, "request_bytes": request, "reply_bytes": reply,
            "body_bytes": len(whole[0].text["server"].partition(b"\r\n\r\n")[2])}
