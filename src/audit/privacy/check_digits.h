// Check digits: the rules by which numbers of people and accounts tell themselves from other numbers.
//
// Guarantee   Each takes digits (or letters and digits) without separators and says whether they can be such a number: length, shape,
//             ranges never given out, check digit. It does not say that the number was given to anybody.
#pragma once

#include <string_view>

namespace tidegate::audit::privacy {

/// ISO/IEC 7812-1, annex B.
bool luhn_holds(std::string_view digits) noexcept;
/// 13 to 19 digits, a prefix and length of a known network, Luhn.
bool is_card_number(std::string_view digits) noexcept;
/// ISO 13616: length of its country, mod 97 = 1. Any case, no spaces.
bool is_iban(std::string_view text) noexcept;
/// Length of an IBAN of this country; 0: the country has none that we know.
std::size_t iban_length(std::string_view country) noexcept;
/// US social security number, 9 digits: not 000, 666, 9xx, -00-, -0000, nor the two printed in advertisements.
bool is_us_ssn(std::string_view digits) noexcept;
/// UK national insurance number, 9 characters in upper case (HMRC NIM39110).
bool is_uk_nino(std::string_view text) noexcept;
/// German tax id, 11 digits: ISO 7064 mod 11,10 and the rule of repeated digits (BZSt).
bool is_de_steuer_id(std::string_view digits) noexcept;
/// French NIR, 15 characters (2A and 2B for Corsica): sex, month, key 97 - n mod 97.
bool is_fr_nir(std::string_view text) noexcept;
/// Spanish DNI (8 digits and a letter) or NIE (X, Y, Z, 7 digits, a letter), upper case.
bool is_es_dni(std::string_view text) noexcept;
bool is_es_nie(std::string_view text) noexcept;
/// Italian codice fiscale, 16 characters, upper case, with the digits that omocodia replaces (DM 23/12/1976).
bool is_it_codice_fiscale(std::string_view text) noexcept;
/// Dutch BSN, 9 digits: the 11-test.
bool is_nl_bsn(std::string_view digits) noexcept;

}  // namespace tidegate::audit::privacy
