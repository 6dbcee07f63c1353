"""Who hears whom, by the media commands alone."""

from __future__ import annotations

from tests.unit.contacts.played.records import Records


class Ears(Records):
    def hears(self, n: int) -> set[str]:
        """By the media commands alone: numbers of legs, and what is played."""
        ear = self.ears.get(n, ("nothing",))
        match ear:
            case ("leg", other):
                return {str(other)} if self._is_heard(other) else set()
            case ("play", sort):
                return {str(sort)}
            case ("echo",):
                return {str(n)}
            case ("room", room, _, hear, _):
                return self._in_room(n, room, hear)
        return set()

    def _is_heard(self, n: int) -> bool:
        phone = self.phones.get(n)
        return phone == "up" or (phone == "ringing" and n in self.speaking)

    def _in_room(self, n: int, room: str, hear: bool) -> set[str]:
        found = set()
        for other, ear in self.ears.items():
            there = other != n and ear[:2] == ("room", room) and self._is_heard(other)
            if there and ((ear[2] and hear) or n in ear[4]):
                found.add(str(other))
        return found
