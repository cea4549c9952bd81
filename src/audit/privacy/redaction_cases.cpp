#include <array>
#include <string_view>

#include "audit/privacy/redaction_eval.h"
#include "audit/privacy/redaction_values.h"
#include "base/assert.h"

namespace tidegate::audit::privacy {
namespace {

// `{kind}` is a value of redaction_values.cpp.
constexpr std::array<std::string_view, 60> kTemplates{{"Please write to {email} before {date}.",
                                                       "Contact: {email}; {phone_us}",
                                                       "My mail is {email}, thanks!",
                                                       "<{email}> wrote on {date}:",
                                                       "E-Mail: {email} (Rechnung vom {date})",
                                                       "Mon adresse est {email}.",
                                                       "Escriba a {email} o llame al {phone_es}.",
                                                       "Scrivi a {email}, ciao",
                                                       "Mail naar {email} of bel {phone_nl}.",
                                                       "mailto:{email}?subject=hi",
                                                       "Call me at {phone_us} tomorrow.",
                                                       "Her number: {phone_us}",
                                                       "Reach us on {phone_uk} between 9 and 5.",
                                                       "Meine Nummer ist {phone_de}, bitte melden.",
                                                       "Tel.: {phone_de}",
                                                       "{phone_de} (privat)",
                                                       "Rufen Sie {phone_de} an.",
                                                       "Appelez le {phone_fr} avant {date}.",
                                                       "T\xC3\xA9l. {phone_fr}",
                                                       "Vous pouvez me joindre au {phone_fr}",
                                                       "Il mio cellulare \xC3\xA8 {phone_it}.",
                                                       "chiama {phone_it}",
                                                       "Mi m\xC3\xB3vil es {phone_es}",
                                                       "Tel\xC3\xA9"
                                                       "fono: {phone_es}",
                                                       "Mijn nummer is {phone_nl}.",
                                                       "bel {phone_nl}",
                                                       "{phone_uk} or {phone_uk}",
                                                       "Fax {phone_it}",
                                                       "Card {card} exp 12/27",
                                                       "I paid with {card}.",
                                                       "Kartennummer: {card}",
                                                       "num\xC3\xA9ro de carte {card}",
                                                       "My IBAN is {iban}.",
                                                       "IBAN: {iban}, BIC XXXXDEFF",
                                                       "Bitte auf {iban} \xC3\xBC"
                                                       "berweisen",
                                                       "virement sur {iban}",
                                                       "SSN {us_ssn}",
                                                       "my social security number is {us_ssn}.",
                                                       "{us_ssn} was on the form",
                                                       "NI number {uk_nino}",
                                                       "National insurance: {uk_nino}.",
                                                       "Steuer-ID {de_steuer_id}",
                                                       "Meine Steueridentifikationsnummer lautet {de_steuer_id}.",
                                                       "num\xC3\xA9ro de s\xC3\xA9"
                                                       "curit\xC3\xA9 sociale {fr_nir}",
                                                       "NIR: {fr_nir}",
                                                       "Mi DNI es {es_dni}.",
                                                       "NIF {es_dni}",
                                                       "NIE {es_nie}",
                                                       "Codice fiscale: {it_codice_fiscale}",
                                                       "CF {it_codice_fiscale}, nato il {date}",
                                                       "BSN {nl_bsn}",
                                                       "Mijn burgerservicenummer is {nl_bsn}.",
                                                       "Login from {ipv4} at {date}",
                                                       "client={ipv4} status=200",
                                                       "connect to [{ipv6}]:443 failed",
                                                       "host {ipv6} unreachable",
                                                       "{ipv4}, {ipv4} and {ipv6}",
                                                       "http://{ipv4}:8080/x",
                                                       "{email} {phone_de} {iban}",
                                                       "Name: A. B., {phone_fr}, {card}"}};

constexpr std::array<std::string_view, 26> kNegatives{{"Released {version} on {date}.",
                                                       "The total is {price}.",
                                                       "Paid {price} for {order}",
                                                       "commit {hash} fixes it",
                                                       "sha {hash}",
                                                       "We are at {coordinates}.",
                                                       "See {isbn}, page 12.",
                                                       "Your {order} ships {date}.",
                                                       "id {bad_card}",
                                                       "Reference {bad_iban}",
                                                       "{other}",
                                                       "it says {other} there",
                                                       "{date} to {date}",
                                                       "from {date}, {price}",
                                                       "Die Summe betr\xC3\xA4gt {price}.",
                                                       "Version {version} vom {date}",
                                                       "Le total est de {price} le {date}",
                                                       "El {date} por {price}",
                                                       "il {date} per {price}",
                                                       "op {date} voor {price}",
                                                       "{hash} {hash}",
                                                       "row {other}, {other}",
                                                       "{bad_card} is not a card",
                                                       "log {date} {other}",
                                                       "map {coordinates} {date}",
                                                       "{order}, {isbn}"}};

// Written by hand to mislead.
constexpr std::array<std::string_view, 46> kHandNegatives{{"Section 4.2.1.3 says so",
                                                           "version 10.0.0.1 is out",
                                                           "v1.2.3.4",
                                                           "upgrade to 1.2.3-rc.4",
                                                           "OID 1.3.6.1.4.1.311",
                                                           "Pi is 3.141592653589793",
                                                           "The year 2024-2025 was wet",
                                                           "0.123456789",
                                                           "1234567890123456789012345",
                                                           "order #4929-1234",
                                                           "ISBN 978-0-306-40615-7",
                                                           "ISSN 0378-5955",
                                                           "12:30:45",
                                                           "at 08:15 on 01.02.2024",
                                                           "from 2024-01-02 to 2024-03-04",
                                                           "call std::string::npos",
                                                           "a::b::c",
                                                           "MAC 00:1a:2b:3c:4d:5e",
                                                           "#123456789",
                                                           "RGB 255,255,255",
                                                           "EUR 612.345.678",
                                                           "population 612 345 678",
                                                           "1 234 567 people",
                                                           "\xE2\x82\xAC 9.999.999,99",
                                                           "$2,125,550,123.00",
                                                           "img@2x.png",
                                                           "react@18.2.0",
                                                           "@mention and @other",
                                                           "a@b",
                                                           "foo@localhost",
                                                           "5d41402abc4b2a76b9719d911017c592",
                                                           "123e4567-e89b-12d3-a456-426614174000",
                                                           "IMEI 490154203237518",
                                                           "EAN 4006381333931",
                                                           "tracking 1Z999AA10123456784",
                                                           "flight LH 1234 at 0815",
                                                           "zip 10115",
                                                           "75008 Paris",
                                                           "48.85660, 2.35220",
                                                           "52\xC2\xB0 31' 12\"",
                                                           "PO-2024-000123",
                                                           "user_0612345678",
                                                           "x0612345678",
                                                           "scores 10-12, 7-11, 11-9",
                                                           "2+2=4",
                                                           "temperature -12.5 to +37.25"}};

struct HandPositive {
    std::string_view text;
    std::string_view value;
    PiiClass which;
};
constexpr std::array<HandPositive, 22> kHandPositives{
    {{"mail me: First.Last+tag@sub.example.co.uk.", "First.Last+tag@sub.example.co.uk", PiiClass::kEmail},
     {"(anna@example.org)", "anna@example.org", PiiClass::kEmail},
     {"\"x\":anna@example.org,", "anna@example.org", PiiClass::kEmail},
     {"ANNA@EXAMPLE.ORG", "ANNA@EXAMPLE.ORG", PiiClass::kEmail},
     {"+49 (0) 30 / 123 456 78", "+49 (0) 30 / 123 456 78", PiiClass::kPhone},
     {"0049 30 12345678", "0049 30 12345678", PiiClass::kPhone},
     {"tel:+442079460958", "+442079460958", PiiClass::kPhone},
     {"(555) 234-5678", "(555) 234-5678", PiiClass::kPhone},
     {"Phone 555-0123", "555-0123", PiiClass::kPhone},
     {"whatsapp 3471234567", "3471234567", PiiClass::kPhone},
     {"card=4111111111111111;", "4111111111111111", PiiClass::kCard},
     {"4111-1111-1111-1111", "4111-1111-1111-1111", PiiClass::kCard},
     {"3782 822463 10005", "3782 822463 10005", PiiClass::kCard},
     {"DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00", PiiClass::kIban},
     {"gb82west12345698765432", "gb82west12345698765432", PiiClass::kIban},
     {"ssn: 536-90-4399", "536-90-4399", PiiClass::kNationalId},
     {"AB123456C", "AB123456C", PiiClass::kNationalId},
     {"dni 12345678Z", "12345678Z", PiiClass::kNationalId},
     {"X1234567L", "X1234567L", PiiClass::kNationalId},
     {"RSSMRA85T10A562S", "RSSMRA85T10A562S", PiiClass::kNationalId},
     {"from 192.168.1.17.", "192.168.1.17", PiiClass::kIpAddress},
     {"::ffff:192.0.2.128", "::ffff:192.0.2.128", PiiClass::kIpAddress}}};

LabelledText expand(std::string_view sentence, Random& random) {
    LabelledText made;
    while (!sentence.empty()) {
        const std::size_t open = sentence.find('{');
        made.text += sentence.substr(0, open);
        if (open == std::string_view::npos) break;
        const std::size_t close = sentence.find('}', open);
        TG_ASSERT(close != std::string_view::npos);
        const MadeValue value = make_value(sentence.substr(open + 1, close - open - 1), random);
        const std::size_t begin = made.text.size();
        made.text += value.text;
        if (value.which) made.labels.push_back({begin, made.text.size(), *value.which, value.kind});
        sentence.remove_prefix(close + 1);
    }
    return made;
}

}  // namespace

std::vector<LabelledText> redaction_cases(std::uint64_t seed, std::size_t sentences) {
    SeededRandom random(seed);
    std::vector<LabelledText> cases;
    for (std::size_t i = 0; i < sentences; ++i) {
        // Two sentences of three hold something; one of three only what misleads.
        const bool negative = i % 3 == 2;
        const std::uint64_t pick = random.next_u64();
        cases.push_back(
            expand(negative ? kNegatives[pick % kNegatives.size()] : kTemplates[pick % kTemplates.size()], random));
    }
    for (const std::string_view text : kHandNegatives) cases.push_back({std::string(text), {}});
    for (const HandPositive& one : kHandPositives) {
        const std::size_t begin = one.text.find(one.value);
        TG_ASSERT(begin != std::string_view::npos);
        cases.push_back({std::string(one.text), {{begin, begin + one.value.size(), one.which, "by_hand"}}});
    }
    return cases;
}

}  // namespace tidegate::audit::privacy
