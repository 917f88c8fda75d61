"""National numbers of persons: how they are written, what they are called, and how each is checked."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from mdm_redaction.checksums import iso7064_11_10, luhn, verhoeff, weighted

_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_FISCAL_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_CURP = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_NRIC = {"S": "JZIHGFEDCBA", "T": "GFEDCBAJZIH", "F": "XWUTRQPNMLK", "G": "RQPNMLKXWUT"}
_TAIWAN = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


@attrs.frozen
class NationalId:
    """A kind of number that a state gives to persons.

    Attributes:
        name: Country and name.
        shape: How it is written, as an expression; groups may be apart.
        valid: Checks its letters and digits, in upper case.
        called: Words that stand beside it: in capitals alone if they are written so here, else in any case.
        alone: A shape that is enough without such a word; empty if there is none.
    """

    name: str
    shape: str
    valid: Callable[[str], bool]
    called: tuple[str, ...]
    alone: str = ""


def _date(year: str, month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31 and year.isdigit()


def _us_ssn(n: str) -> bool:
    return n[:3] not in ("000", "666") and n[0] != "9" and n[3:5] != "00" and n[5:] != "0000"


def _us_itin(n: str) -> bool:
    return n[0] == "9" and (50 <= int(n[3:5]) <= 65 or 70 <= int(n[3:5]) <= 99)


def _ssn_or_itin(n: str) -> bool:
    return _us_ssn(n) or _us_itin(n)


def _canada(n: str) -> bool:
    return luhn(n)


def _nino(n: str) -> bool:
    return n[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _nhs(n: str) -> bool:
    check = 11 - weighted(n, range(10, 1, -1)) % 11
    return check != 10 and check % 11 == int(n[9])


def _steuer_id(n: str) -> bool:
    counts = sorted(n[:10].count(d) for d in set(n[:10]))
    return n[0] != "0" and counts[-1] in (2, 3) and iso7064_11_10(n)


def _rvnr(n: str) -> bool:
    digits = n[:8] + f"{ord(n[8]) - 64:02d}" + n[9:11]
    total = sum(sum(divmod(int(d) * w, 10)) for d, w in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return total % 10 == int(n[11])


def _austria(n: str) -> bool:
    total = weighted(n[:3] + n[4:], (3, 7, 9, 5, 8, 4, 2, 1, 6))
    return n[0] != "0" and total % 11 == int(n[3])


def _ahv(n: str) -> bool:
    return n.startswith("756") and (weighted(n, (1, 3) * 6) + int(n[12])) % 10 == 0


def _nir(n: str) -> bool:
    body = n[:13].replace("2A", "19").replace("2B", "18")
    return n[0] in "123478" and body.isdigit() and 97 - int(body) % 97 == int(n[13:])


def _dni(n: str) -> bool:
    digits = n[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI[int(digits) % 23] == n[-1]


def _nif_portugal(n: str) -> bool:
    check = 11 - weighted(n, range(9, 1, -1)) % 11
    return n[0] in "1235689" and (check if check < 10 else 0) == int(n[8])


def _fiscal(n: str) -> bool:
    def odd(c: str) -> int:
        return _FISCAL_ODD[int(c) if c.isdigit() else ord(c) - 65]

    def even(c: str) -> int:
        return int(c) if c.isdigit() else ord(c) - 65

    total = sum(odd(c) if i % 2 == 0 else even(c) for i, c in enumerate(n[:15]))
    return chr(65 + total % 26) == n[15]


def _bsn(n: str) -> bool:
    return int(n) > 9_999_999 and (weighted(n, range(9, 1, -1)) - int(n[8])) % 11 == 0


def _belgium(n: str) -> bool:
    check = int(n[9:])
    return int(n[2:4]) <= 52 and (97 - int(n[:9]) % 97 == check or 97 - int("2" + n[:9]) % 97 == check)


def _pesel(n: str) -> bool:
    month = int(n[2:4]) % 20
    check = (10 - weighted(n, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10
    return 1 <= month <= 12 and 1 <= int(n[4:6]) <= 31 and check == int(n[10])


def _personnummer(n: str) -> bool:
    n = n[-10:]
    return 1 <= int(n[2:4]) <= 12 and 1 <= int(n[4:6]) % 60 <= 31 and luhn(n)


def _norway(n: str) -> bool:
    first = weighted(n, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    second = weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11
    return first == 0 and second == 0 and 1 <= int(n[:2]) % 40 <= 31


def _denmark(n: str) -> bool:
    return _date(n[4:6], n[2:4], n[:2])


def _finland(n: str) -> bool:
    return _date(n[4:6], n[2:4], n[:2]) and _HETU[int(n[:6] + n[6:9]) % 31] == n[9]


def _czech(n: str) -> bool:
    month = int(n[2:4]) % 50 % 20
    return 1 <= month <= 12 and 1 <= int(n[4:6]) <= 31 and (int(n) % 11 == 0 or int(n[:9]) % 11 == 10)


def _romania(n: str) -> bool:
    check = weighted(n, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return n[0] in "12345678" and _date(n[1:3], n[3:5], n[5:7]) and (1 if check == 10 else check) == int(n[12])


def _bulgaria(n: str) -> bool:
    return 1 <= int(n[2:4]) % 20 <= 12 and weighted(n, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(n[9])


def _balkan(n: str) -> bool:
    check = 11 - weighted(n, (7, 6, 5, 4, 3, 2) * 2) % 11
    return _date(n[4:7], n[2:4], n[:2]) and (0 if check > 9 else check) == int(n[12])


def _baltic(n: str) -> bool:
    check = weighted(n, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(n, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return n[0] in "123456" and _date(n[1:3], n[3:5], n[5:7]) and check == int(n[10])


def _greece(n: str) -> bool:
    return _date(n[4:6], n[2:4], n[:2]) and luhn(n)


def _turkey(n: str) -> bool:
    d = list(map(int, n))
    return d[0] != 0 and (sum(d[0:9:2]) * 7 - sum(d[1:8:2])) % 10 == d[9] and sum(d[:10]) % 10 == d[10]


def _israel(n: str) -> bool:
    return n != "000000000" and luhn(n)


def _brazil(n: str) -> bool:
    first = weighted(n, range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(n, range(11, 1, -1)) * 10 % 11 % 10
    return len(set(n)) > 1 and (first, second) == (int(n[9]), int(n[10]))


def _chile(n: str) -> bool:
    total = sum(int(d) * (2 + i % 6) for i, d in enumerate(reversed(n[:-1])))
    return "0123456789K0"[11 - total % 11] == n[-1] if total % 11 else n[-1] == "0"


def _argentina(n: str) -> bool:
    check = 11 - weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return n[:2] in ("20", "23", "24", "25", "26", "27") and check % 11 == int(n[10])


def _mexico(n: str) -> bool:
    total = sum(_CURP.index(c) * (18 - i) for i, c in enumerate(n[:17]))
    return _date(n[4:6], n[6:8], n[8:10]) and (10 - total % 10) % 10 == int(n[17])


def _aadhaar(n: str) -> bool:
    return n[0] in "23456789" and verhoeff(n)


def _china(n: str) -> bool:
    check = "10X98765432"[weighted(n, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]
    return n[6:8] in ("18", "19", "20") and _date(n[6:10], n[10:12], n[12:14]) and check == n[17]


def _taiwan(n: str) -> bool:
    head = _TAIWAN.index(n[0]) + 10
    return (head // 10 + head % 10 * 9 + weighted(n[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def _korea(n: str) -> bool:
    check = (11 - weighted(n, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return _date(n[:2], n[2:4], n[4:6]) and n[6] in "12345678" and (check == int(n[12]) or n[:2] < "40")


def _japan(n: str) -> bool:
    total = sum(int(d) * (i + 2 if i < 6 else i - 4) for i, d in enumerate(reversed(n[:11])))
    return (0 if total % 11 <= 1 else 11 - total % 11) == int(n[11])


def _singapore(n: str) -> bool:
    if n[0] == "M":
        return n[1:8].isdigit()
    return _NRIC[n[0]][weighted(n[1:8], (2, 7, 6, 5, 4, 3, 2)) % 11] == n[8]


def _hong_kong(n: str) -> bool:
    letters = n[:-7]
    values = [36] * (2 - len(letters)) + [ord(c) - 55 for c in letters]
    total = sum(v * w for v, w in zip(values, (9, 8), strict=True)) + weighted(n[-7:-1], (7, 6, 5, 4, 3, 2))
    return (total + (10 if n[-1] == "A" else int(n[-1]))) % 11 == 0


def _thailand(n: str) -> bool:
    return n[0] != "0" and (11 - weighted(n, range(13, 1, -1)) % 11) % 10 == int(n[12])


def _tfn(n: str) -> bool:
    return weighted(n, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def _medicare(n: str) -> bool:
    return n[0] in "23456" and weighted(n, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(n[8])


def _ird(n: str) -> bool:
    body = n[:-1].zfill(8)
    check = -weighted(body, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    if check == 10:
        check = -weighted(body, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return check == int(n[-1])


def _south_africa(n: str) -> bool:
    return _date(n[:2], n[2:4], n[4:6]) and n[10] in "012" and luhn(n)


def _always(_: str) -> bool:
    return True


def _pps(n: str) -> bool:
    second = ord(n[8]) - 64 if len(n) > 8 and n[8] != "W" else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(n, range(8, 1, -1)) + 9 * second) % 23] == n[7]


def _hetu(n: str) -> bool:
    return _finland(n[:6] + n[-4:])


def _malaysia(n: str) -> bool:
    return _date(n[:2], n[2:4], n[4:6])


def _of(name: str, shape: str, valid: Callable[[str], bool], called: str, alone: str = "") -> NationalId:
    apart = shape.replace("~", "[ .-]?")
    words = tuple(word.strip() for word in called.split(","))
    return NationalId(name, apart, valid, words, apart if alone == "~" else alone)


# In a shape `~` stands for a separator that may be missing; as the shape of what stands alone, for the shape itself.
IDS = (
    _of(
        "US SSN and ITIN",
        r"\d{3}~\d{2}~\d{4}",
        _ssn_or_itin,
        "ssn, social security, social-security, socialsecurity, itin, taxpayer, tax id, TIN",
        r"\d{3}-\d{2}-\d{4}",
    ),
    _of("Canada SIN", r"\d{3}~\d{3}~\d{3}", _canada, "social insurance, SIN, NAS"),
    _of(
        "UK national insurance number",
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]~\d{2}~\d{2}~\d{2}~[A-D]",
        _nino,
        "nino, national insurance, ni number",
        "~",
    ),
    _of("UK NHS number", r"\d{3}~\d{3}~\d{4}", _nhs, "nhs"),
    _of("Ireland PPS", r"\d{7}[A-W][A-IW]?", _pps, "pps, ppsn"),
    _of("Germany Steuer-ID", r"\d{2}~\d{3}~\d{3}~\d{3}", _steuer_id, "steuer, idnr, tax id, TIN"),
    _of("Germany Rentenversicherung", r"\d{2}~\d{6}~[A-Z]~\d{3}", _rvnr, "rentenvers, sozialvers, rvnr, svnr"),
    _of("Austria social insurance", r"\d{4}~\d{6}", _austria, "svnr, sozialvers, sv-nummer, e-card"),
    _of("Switzerland AHV", r"756~\d{4}~\d{4}~\d{2}", _ahv, "ahv, avs", "~"),
    _of(
        "France NIR",
        r"[123478]~\d{2}~\d{2}~(?:\d{2}|2[AB])~\d{3}~\d{3}~\d{2}",
        _nir,
        "nir, insee, sécurité sociale, securite sociale, sécu",
        r"[123478] \d{2} \d{2} (?:\d{2}|2[AB]) \d{3} \d{3} ?\d{2}|[1278]\d{12} \d{2}",
    ),
    _of(
        "Spain DNI and NIE",
        r"(?:\d{8}|[XYZ]~\d{7})~[A-HJ-NP-TV-Z]",
        _dni,
        "dni, nie, nif",
        r"(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z]",
    ),
    _of("Portugal NIF", r"\d{3}~\d{3}~\d{3}", _nif_portugal, "nif, contribuinte"),
    _of(
        "Italy codice fiscale",
        r"[A-Z]{3}~[A-Z]{3}~\d{2}[ABCDEHLMPRST]\d{2}~[A-Z]\d{3}[A-Z]",
        _fiscal,
        "codice fiscale, cod. fisc, c.f., CF",
        "~",
    ),
    _of("Netherlands BSN", r"\d{4}~\d{2}~\d{3}", _bsn, "bsn, burgerservice, sofi"),
    _of(
        "Belgium national number",
        r"\d{2}~\d{2}~\d{2}~\d{3}~\d{2}",
        _belgium,
        "rijksregister, registre national, insz, niss, national number",
        r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}",
    ),
    _of("Poland PESEL", r"\d{11}", _pesel, "pesel"),
    _of(
        "Sweden personnummer",
        r"(?:19|20)?\d{6}[-+]?\d{4}",
        _personnummer,
        "personnummer, personnr, samordningsnummer, personal number",
        r"(?:19|20)?\d{6}[-+]\d{4}",
    ),
    _of("Norway fødselsnummer", r"\d{6}~\d{5}", _norway, "fødselsn, fodselsn, personnummer, fnr"),
    _of("Denmark CPR", r"\d{6}[- ]?\d{4}", _denmark, "cpr, personnummer"),
    _of("Finland HETU", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", _hetu, "hetu, henkilötunnus", "~"),
    _of("Czechia and Slovakia rodné číslo", r"\d{6}/?\d{4}", _czech, "rodné, rodne, birth number", r"\d{6}/\d{4}"),
    _of("Romania CNP", r"\d{13}", _romania, "cnp"),
    _of("Bulgaria EGN", r"\d{10}", _bulgaria, "egn, егн"),
    _of("Croatia OIB", r"\d{11}", iso7064_11_10, "oib"),
    _of("JMBG and EMŠO", r"\d{13}", _balkan, "jmbg, emso, emšo"),
    _of("Estonia and Lithuania personal code", r"\d{11}", _baltic, "isikukood, asmens kodas, personal code"),
    _of("Greece AMKA", r"\d{11}", _greece, "amka, αμκα"),
    _of("Turkey T.C. kimlik", r"\d{11}", _turkey, "kimlik, tckn, tc no, t.c."),
    _of("Israel identity number", r"\d{9}", _israel, "teudat, israeli id"),
    _of("Brazil CPF", r"\d{3}~\d{3}~\d{3}~\d{2}", _brazil, "cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
    _of("Chile RUT", r"\d{1,2}\.?\d{3}\.?\d{3}-?[0-9K]", _chile, "RUT, RUN", r"\d{1,2}\.\d{3}\.\d{3}-[0-9K]"),
    _of("Argentina CUIL", r"\d{2}~\d{8}~\d", _argentina, "cuil, cuit", r"2[0-7]-\d{8}-\d"),
    _of("Mexico CURP", r"[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-ZÑ]{3}[A-Z0-9]\d", _mexico, "curp", "~"),
    _of("India Aadhaar", r"\d{4}~\d{4}~\d{4}", _aadhaar, "aadhaar, aadhar, uidai, UID", r"[2-9]\d{3} \d{4} \d{4}"),
    _of(
        "India PAN",
        r"[A-Z]{3}[PCHFATBLJG][A-Z]\d{4}[A-Z]",
        _always,
        "PAN, permanent account",
        r"[A-Z]{3}P[A-Z]\d{4}[A-Z]",
    ),
    _of("China resident identity card", r"\d{17}[0-9X]", _china, "身份证, resident id, id card", "~"),
    _of("Taiwan identity card", r"[A-Z][1289]\d{8}", _taiwan, "身分證, national id, id card"),
    _of(
        "Korea resident registration",
        r"\d{6}-?[1-8]\d{6}",
        _korea,
        "주민, rrn, resident registration",
        r"\d{6}-[1-8]\d{6}",
    ),
    _of("Japan My Number", r"\d{4}~\d{4}~\d{4}", _japan, "my number, mynumber, マイナンバー, 個人番号"),
    _of("Singapore NRIC and FIN", r"[STFGM]\d{7}[A-Z]", _singapore, "nric, FIN", "~"),
    _of(
        "Hong Kong identity card",
        r"[A-Z]{1,2}\d{6}\(?[0-9A]\)?",
        _hong_kong,
        "hkid, hong kong id",
        r"[A-Z]{1,2}\d{6}\([0-9A]\)",
    ),
    _of(
        "Thailand identity card",
        r"\d-?\d{4}-?\d{5}-?\d{2}-?\d",
        _thailand,
        "thai id, บัตรประชาชน, national id",
        r"\d-\d{4}-\d{5}-\d{2}-\d",
    ),
    _of("Malaysia NRIC", r"\d{6}-?\d{2}-?\d{4}", _malaysia, "mykad, nric", r"\d{6}-\d{2}-\d{4}"),
    _of("Australia TFN", r"\d{3}~\d{3}~\d{3}", _tfn, "tfn, tax file"),
    _of("Australia Medicare", r"\d{4}~\d{5}~\d", _medicare, "medicare"),
    _of("New Zealand IRD", r"\d{2,3}~\d{3}~\d{3}", _ird, "ird number, IRD"),
    _of(
        "South Africa identity number",
        r"\d{6}~\d{4}~\d{3}",
        _south_africa,
        "rsa id, sa id, south african id, id number, identity number",
    ),
)
"""The numbers that are known."""
