#include "audit/privacy/redaction_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "audit/privacy/check_digits.h"
#include "base/assert.h"

namespace tidegate::audit::privacy {
namespace {

std::size_t below(Random& random, std::size_t n) {
    return static_cast<std::size_t>(random.next_u64() % n);
}
std::string_view one_of(Random& random, std::initializer_list<std::string_view> choices) {
    return choices.begin()[below(random, choices.size())];
}

// `#` a digit, `N` one from 2 to 9, `@` a capital letter, `x` a hex digit; everything else as it is.
std::string fill(Random& random, std::string_view pattern) {
    std::string out;
    for (const char c : pattern) {
        if (c == '#') {
            out.push_back(static_cast<char>('0' + below(random, 10)));
        } else if (c == 'N') {
            out.push_back(static_cast<char>('2' + below(random, 8)));
        } else if (c == '@') {
            out.push_back(static_cast<char>('A' + below(random, 26)));
        } else if (c == 'x') {
            out.push_back("0123456789abcdef"[below(random, 16)]);
        } else {
            out.push_back(c);
        }
    }
    return out;
}

// Draws until the rule holds: the rules themselves are tested against published numbers.
std::string draw(Random& random, std::initializer_list<std::string_view> patterns,
                 const std::function<bool(std::string_view)>& holds) {
    for (;;) {
        std::string value = fill(random, one_of(random, patterns));
        if (holds(value)) return value;
    }
}

// Parts `digits` as the pattern's `#` stand.
std::string part(std::string_view digits, std::string_view pattern) {
    std::string out;
    std::size_t at = 0;
    for (const char c : pattern) out.push_back(c == '#' ? digits[at++] : c);
    return out;
}

std::string email(Random& random) {
    const std::string_view first = one_of(
        random, {"anna", "j.smith", "luc.martin", "maria-jose", "o_neill", "pieter", "g.rossi", "k", "info+news"});
    const std::string_view domain = one_of(random, {"example.org", "mail.example.com", "firma.example.de", "exemple.fr",
                                                    "example.co.uk", "ejemplo.es", "m\xC3\xBCller.example"});
    return fmt::format("{}{}@{}", first, below(random, 3) == 0 ? std::to_string(below(random, 999)) : "", domain);
}

std::string card(Random& random) {
    std::string digits = draw(random,
                              {"4###############", "5N##############", "34#############", "37#############",
                               "6011############", "36############", "35N#############"},
                              is_card_number);
    if (digits.size() == 15) return part(digits, one_of(random, {"###############", "#### ###### #####"}));
    if (digits.size() == 14) return part(digits, one_of(random, {"##############", "#### ###### ####"}));
    return part(digits, one_of(random, {"################", "#### #### #### ####", "####-####-####-####"}));
}

std::string iban(Random& random) {
    std::string digits =
        draw(random,
             {"DE####################", "FR##############@##########", "GB##@@@@##############",
              "ES######################", "IT##@######################", "NL##@@@@##########", "AT##################"},
             is_iban);
    if (below(random, 2) == 0) return digits;
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && i % 4 == 0) out.push_back(' ');
        out.push_back(digits[i]);
    }
    return out;
}

std::string ssn(Random& random) {
    return part(draw(random, {"#########"}, is_us_ssn), one_of(random, {"###-##-####", "###-##-####", "### ## ####"}));
}
std::string nino(Random& random) {
    const std::string text = draw(random, {"@@######A", "@@######B", "@@######C", "@@######D"}, is_uk_nino);
    return below(random, 2) == 0 ? text : part(text, "## ## ## ## #");
}
std::string steuer(Random& random) {
    return part(draw(random, {"###########"}, is_de_steuer_id), one_of(random, {"###########", "## ### ### ###"}));
}
std::string nir(Random& random) {
    return part(draw(random, {"1##0##########7", "2##1##########4", "1##0###########", "2##0###########"}, is_fr_nir),
                one_of(random, {"###############", "# ## ## ## ### ### ##", "############# ##"}));
}
std::string dni(Random& random) {
    const std::string text = draw(random, {"########@"}, is_es_dni);
    return part(text, one_of(random, {"#########", "########-#", "##.###.###-#"}));
}
std::string nie(Random& random) {
    return part(draw(random, {"X#######@", "Y#######@", "Z#######@"}, is_es_nie),
                one_of(random, {"#########", "#-#######-#"}));
}
std::string fiscal(Random& random) {
    return draw(random, {"@@@@@@##A##@###@", "@@@@@@##H##@###@", "@@@@@@##T##@###@"}, is_it_codice_fiscale);
}
std::string bsn(Random& random) {
    return part(draw(random, {"1########", "2########"}, is_nl_bsn), one_of(random, {"#########", "####.##.###"}));
}

std::string ipv4(Random& random) {
    return fmt::format("{}.{}.{}.{}", 1 + below(random, 223), below(random, 256), below(random, 256),
                       1 + below(random, 254));
}
std::string ipv6(Random& random) {
    return fill(random, one_of(random, {"2001:db8::x#xx", "2001:0db8:#xxx:xxxx:xxxx:xxxx:xxxx:xxxx",
                                        "fe80::#xxx:xxxx:xxxx:xxxx", "2a02:#x:xx#::1"}));
}
std::string phone_de(Random& random) {
    return fill(random,
                one_of(random, {"+49 30 N######", "+49 (0)89 N#######", "030/N######", "030 N### ###", "(040) N######",
                                "0171-N######", "0151 N### ####", "017N#######", "+4917N#######"}));
}
std::string phone_fr(Random& random) {
    return fill(random, one_of(random, {"01 N# ## ## ##", "06 ## ## ## ##", "06.##.##.##.##", "+33 6 ## ## ## ##",
                                        "+33N########", "07########", "04-N#-##-##-##"}));
}
std::string phone_uk(Random& random) {
    return fill(random, one_of(random, {"020 7### ####", "07### ######", "+44 20 7### ####", "+44 (0)7### ######",
                                        "(0161) ### ####", "01632 960###", "07#########"}));
}
// No N11 in area or exchange: those are services (911, 411), not people.
std::string phone_us(Random& random) {
    return draw(random,
                {"(N##) N##-####", "N##-N##-####", "N##.N##.####", "+1 N## N## ####", "1-N##-N##-####", "+1N##N######"},
                [](std::string_view text) { return text.find("11") == std::string_view::npos; });
}
std::string phone_it(Random& random) {
    return fill(random,
                one_of(random, {"+39 3N# ### ####", "3N# N## ####", "06 N### ####", "02 N#######", "+39 06 N#######"}));
}
std::string phone_es(Random& random) {
    return fill(random,
                one_of(random, {"6## ## ## ##", "6## ### ###", "+34 6## ### ###", "91 ### ## ##", "+349########"}));
}
std::string phone_nl(Random& random) {
    return fill(random, one_of(random, {"06-N#######", "06 N### ####", "020-N######", "+31 6 N#######", "06N#######"}));
}
std::string date(Random& random) {
    const auto day = 1 + below(random, 28);
    const auto month = 1 + below(random, 12);
    const auto year = 1950 + below(random, 80);
    switch (below(random, 5)) {
        case 0:
            return fmt::format("{:02}.{:02}.{}", day, month, year);
        case 1:
            return fmt::format("{}-{:02}-{:02}", year, month, day);
        case 2:
            return fmt::format("{:02}/{:02}/{}", day, month, year);
        case 3:
            return fmt::format("{}-{:02}-{:02}T{:02}:{:02}:00Z", year, month, day, below(random, 24),
                               below(random, 60));
        default:
            return fmt::format("{}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}", year, month, day, below(random, 24),
                               below(random, 60), below(random, 60), below(random, 1000));
    }
}
std::string version(Random& random) {
    return fill(random,
                one_of(random, {"v1.2#.#", "2.#.#-beta.#", "version 3.#.#.#", "v#.1#.##.####", "1.#.#+build.####"}));
}
std::string price(Random& random) {
    return fill(random, one_of(random, {"\xE2\x82\xAC 1.2##.###,##", "$#,###,###.##", "1 2## ### EUR",
                                        "6## ### ### euros", "#.### USD",
                                        "\xC2\xA3"
                                        "9##,###",
                                        "+12.5#%", "9##.###.### \xE2\x82\xAC"}));
}
std::string hash(Random& random) {
    return fill(random, one_of(random, {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                                        "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx",
                                        "sha256:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}));
}
std::string order(Random& random) {
    return fill(random,
                one_of(random, {"order 20##-######", "order no. 0########", "Bestellnummer 0#########", "#2##########",
                                "commande n\xC2\xB0 01########", "pedido 6########", "invoice 2##-3##-####",
                                "ORD-#########", "ticket #########", "9##############"}));
}
std::string coordinates(Random& random) {
    return fill(random, one_of(random, {"48.8####, 2.3####", "52.52####N 13.40####E", "-33.8####,151.2####"}));
}
std::string isbn(Random& random) {
    return fill(random, one_of(random, {"ISBN 978-3-16-14####-#", "ISBN 0-306-4####-#", "ISBN 9783161######"}));
}
// Sixteen digits as a card has them, and a wrong check digit.
std::string bad_card(Random& random) {
    return part(draw(random, {"4###############", "5N##############"},
                     [](std::string_view digits) { return !luhn_holds(digits); }),
                one_of(random, {"#### #### #### ####", "################"}));
}
std::string bad_iban(Random& random) {
    return draw(random, {"DE####################", "NL##@@@@##########"},
                [](std::string_view text) { return !is_iban(text); });
}
std::string other(Random& random) {
    return fill(random,
                one_of(random, {"17########", "17###########", "10:#2:3#", "00:1x:2x:3x:4x:5x", "std::move",
                                "#### x #### px", "[12, 345, 6789]", "logo@2x.png", "lodash@4.17.2#", "user_1234567890",
                                "3.14159265358979", "1e-0#######", "0x0000#xxx", "12345#7", "2024/2025",
                                "1,2,3,4,5,6,7,8,9", "C-123456789-X", "987654#21 rows", "###########2# bytes"}));
}

struct Maker {
    const char* kind;
    std::optional<PiiClass> which;
    std::string (*make)(Random&);
};
constexpr auto kNone = std::nullopt;
constexpr std::array<Maker, 30> kMakers{{{"email", PiiClass::kEmail, email},
                                         {"card", PiiClass::kCard, card},
                                         {"iban", PiiClass::kIban, iban},
                                         {"us_ssn", PiiClass::kNationalId, ssn},
                                         {"uk_nino", PiiClass::kNationalId, nino},
                                         {"de_steuer_id", PiiClass::kNationalId, steuer},
                                         {"fr_nir", PiiClass::kNationalId, nir},
                                         {"es_dni", PiiClass::kNationalId, dni},
                                         {"es_nie", PiiClass::kNationalId, nie},
                                         {"it_codice_fiscale", PiiClass::kNationalId, fiscal},
                                         {"nl_bsn", PiiClass::kNationalId, bsn},
                                         {"ipv4", PiiClass::kIpAddress, ipv4},
                                         {"ipv6", PiiClass::kIpAddress, ipv6},
                                         {"phone_de", PiiClass::kPhone, phone_de},
                                         {"phone_fr", PiiClass::kPhone, phone_fr},
                                         {"phone_uk", PiiClass::kPhone, phone_uk},
                                         {"phone_us", PiiClass::kPhone, phone_us},
                                         {"phone_it", PiiClass::kPhone, phone_it},
                                         {"phone_es", PiiClass::kPhone, phone_es},
                                         {"phone_nl", PiiClass::kPhone, phone_nl},
                                         {"date", kNone, date},
                                         {"version", kNone, version},
                                         {"price", kNone, price},
                                         {"hash", kNone, hash},
                                         {"order", kNone, order},
                                         {"coordinates", kNone, coordinates},
                                         {"isbn", kNone, isbn},
                                         {"bad_card", kNone, bad_card},
                                         {"bad_iban", kNone, bad_iban},
                                         {"other", kNone, other}}};

}  // namespace

MadeValue make_value(std::string_view kind, Random& random) {
    const auto maker = std::ranges::find_if(kMakers, [&](const Maker& one) { return kind == one.kind; });
    TG_ASSERT(maker != kMakers.end());
    return {maker->make(random), maker->which, maker->kind};
}

}  // namespace tidegate::audit::privacy
