// The rules of check digits, against numbers that others have published, and the same with a digit wrong.
#include "audit/privacy/check_digits.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace tidegate::audit::privacy {
namespace {

using Rule = bool (*)(std::string_view) noexcept;

/// True when no other digit in any one place is let pass too.
void expect_every_wrong_digit_shows(Rule rule, std::string text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char right = text[i];
        if (right < '0' || right > '9') continue;
        for (char c = '0'; c <= '9'; ++c) {
            text[i] = c;
            if (c != right) {
                EXPECT_FALSE(rule(text)) << text;
            }
        }
        text[i] = right;
    }
}

TEST(CheckDigits, CardNumbersOfTheNetworksTestPages) {
    for (const char* number :
         {"4111111111111111", "4222222222222", "5555555555554444", "2223003122003222", "378282246310005",
          "6011111111111117", "30569309025904", "3530111333300000", "6200000000000005"}) {
        EXPECT_TRUE(is_card_number(number)) << number;
        expect_every_wrong_digit_shows(luhn_holds, number);
    }
    EXPECT_FALSE(is_card_number("9111111111111119")) << "Luhn holds and no network begins so";
    EXPECT_FALSE(is_card_number("490154203237518")) << "an IMEI: Luhn holds, fifteen digits";
    EXPECT_FALSE(is_card_number("411111111111"));
    EXPECT_FALSE(luhn_holds(""));
}

TEST(CheckDigits, IbansOfTheRegistry) {
    for (const char* number :
         {"DE89370400440532013000", "FR1420041010050500013M02606", "GB82WEST12345698765432", "ES9121000418450200051332",
          "IT60X0542811101000000123456", "NL91ABNA0417164300", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"}) {
        EXPECT_TRUE(is_iban(number)) << number;
        expect_every_wrong_digit_shows(is_iban, number);
    }
    EXPECT_TRUE(is_iban("gb82west12345698765432"));
    EXPECT_FALSE(is_iban("DE8937040044053201300")) << "one digit short";
    EXPECT_FALSE(is_iban("XX89370400440532013000")) << "no such country";
}

TEST(CheckDigits, SocialSecurityNumbersThatWereNeverGivenOut) {
    EXPECT_TRUE(is_us_ssn("536904399"));
    for (const char* number :
         {"000123456", "666123456", "900123456", "123004567", "123450000", "078051120", "219099999", "12345678"}) {
        EXPECT_FALSE(is_us_ssn(number)) << number;
    }
}

TEST(CheckDigits, NationalInsuranceNumbersByTheirPrefixAndSuffix) {
    EXPECT_TRUE(is_uk_nino("AB123456C"));
    for (const char* number :
         {"QQ123456C", "DA123456C", "AO123456C", "BG123456C", "ZZ123456C", "AB123456E", "AB12345C", "ab123456c"}) {
        EXPECT_FALSE(is_uk_nino(number)) << number;
    }
}

TEST(CheckDigits, GermanTaxIdsOfTheTaxOfficesExamples) {
    for (const char* number : {"86095742719", "47036892816", "65929970489", "57549285017", "25768131411"}) {
        EXPECT_TRUE(is_de_steuer_id(number)) << number;
        expect_every_wrong_digit_shows(is_de_steuer_id, number);
    }
    EXPECT_FALSE(is_de_steuer_id("01234567890"));
    EXPECT_FALSE(is_de_steuer_id("11111111111"));
}

TEST(CheckDigits, FrenchNumbersWithTheirKey) {
    for (const char* number : {"255081416802538", "185057800608491"}) {
        EXPECT_TRUE(is_fr_nir(number)) << number;
        expect_every_wrong_digit_shows(is_fr_nir, number);
    }
    // Corsica: 2A counts as 19.
    const std::string corsica =
        "1840"
        "92A"
        "040"
        "002";
    const long long plain = 1840919040002LL;
    const auto key = 97 - plain % 97;
    EXPECT_TRUE(is_fr_nir(corsica + (key < 10 ? "0" : "") + std::to_string(key)));
    EXPECT_FALSE(is_fr_nir("955081416802538")) << "no sex is 9";
}

TEST(CheckDigits, SpanishLetters) {
    EXPECT_TRUE(is_es_dni("12345678Z"));
    EXPECT_FALSE(is_es_dni("12345678A"));
    expect_every_wrong_digit_shows(is_es_dni, "12345678Z");
    EXPECT_TRUE(is_es_nie("X1234567L"));
    EXPECT_FALSE(is_es_nie("X1234567A"));
    EXPECT_FALSE(is_es_nie("A1234567L"));
}

TEST(CheckDigits, ItalianFiscalCodes) {
    for (const char* code : {"RSSMRA85T10A562S", "MRTMTT91D08F205J", "MLLSNT82P65Z404U"}) {
        EXPECT_TRUE(is_it_codice_fiscale(code)) << code;
        std::string wrong = code;
        wrong[15] = wrong[15] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(is_it_codice_fiscale(wrong)) << wrong;
    }
    EXPECT_FALSE(is_it_codice_fiscale("RSSMRA85F10A562S")) << "no month is F";
}

TEST(CheckDigits, DutchElevenTest) {
    EXPECT_TRUE(is_nl_bsn("111222333"));
    EXPECT_TRUE(is_nl_bsn("123456782"));
    expect_every_wrong_digit_shows(is_nl_bsn, "123456782");
    EXPECT_FALSE(is_nl_bsn("000000000"));
}

}  // namespace
}  // namespace tidegate::audit::privacy
