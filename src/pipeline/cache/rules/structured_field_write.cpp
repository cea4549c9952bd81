#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "pipeline/cache/rules/structured_field.h"

namespace tidegate::sf {
namespace {

constexpr std::int64_t kIntegerMax = 999'999'999'999'999;

bool is_key(std::string_view text) noexcept {
    const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
    if (text.empty() || (!lower(text.front()) && text.front() != '*')) return false;
    return std::ranges::all_of(text, [&](char c) {
        return lower(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '*';
    });
}

void append_base64(std::string_view data, std::string& out) {
    static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < data.size(); i += 3) {
        std::uint32_t group = 0;
        const std::size_t taken = std::min<std::size_t>(3, data.size() - i);
        for (std::size_t j = 0; j < 3; ++j) {
            group = (group << 8U) | (j < taken ? static_cast<unsigned char>(data[i + j]) : 0U);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            out.push_back(j <= taken ? kDigits[(group >> (18U - 6U * j)) & 63U] : '=');
        }
    }
}

/// A writer for each kind of bare item; false when the format cannot say the value.
struct Writer {
    std::string& out;

    bool operator()(std::int64_t value) const {
        if (value > kIntegerMax || value < -kIntegerMax) return false;
        out += std::to_string(value);
        return true;
    }
    bool operator()(Decimal value) const {
        if (value.thousandths > kIntegerMax || value.thousandths < -kIntegerMax) return false;
        const std::int64_t size = value.thousandths < 0 ? -value.thousandths : value.thousandths;
        if (value.thousandths < 0) out.push_back('-');
        out += std::to_string(size / 1000);
        std::string places = std::to_string(1000 + size % 1000).substr(1);
        while (places.size() > 1 && places.back() == '0') places.pop_back();
        out.push_back('.');
        out += places;
        return true;
    }
    bool operator()(const std::string& value) const { return append_string(value, out); }
    bool operator()(const Token& value) const {
        if (!is_token(value.text)) return false;
        out += value.text;
        return true;
    }
    bool operator()(const Bytes& value) const {
        out.push_back(':');
        append_base64(value.data, out);
        out.push_back(':');
        return true;
    }
    bool operator()(bool value) const {
        out += value ? "?1" : "?0";
        return true;
    }
    bool operator()(Date value) const {
        out.push_back('@');
        return (*this)(value.seconds);
    }
    bool operator()(const DisplayString& value) const {
        static constexpr std::string_view kHex = "0123456789abcdef";
        if (!utf8::is_valid(value.utf8)) return false;
        out += "%\"";
        for (const char c : value.utf8) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '%' || c == '"' || byte < 0x20 || byte > 0x7e) {
                out.push_back('%');
                out.push_back(kHex[byte >> 4U]);
                out.push_back(kHex[byte & 15U]);
            } else {
                out.push_back(c);
            }
        }
        out.push_back('"');
        return true;
    }
};

bool write_bare(const Bare& value, std::string& out) {
    return std::visit(Writer{out}, value);
}

bool is_true(const Bare& value) noexcept {
    const bool* flag = std::get_if<bool>(&value);
    return flag != nullptr && *flag;
}

bool write_parameters(const Parameters& parameters, std::string& out) {
    for (const auto& [key, value] : parameters) {
        if (!is_key(key)) return false;
        out.push_back(';');
        out += key;
        if (is_true(value)) continue;
        out.push_back('=');
        if (!write_bare(value, out)) return false;
    }
    return true;
}

bool write_item(const Item& item, std::string& out) {
    return write_bare(item.value, out) && write_parameters(item.parameters, out);
}

bool write_member(const Member& member, std::string& out) {
    if (const Item* item = std::get_if<Item>(&member)) return write_item(*item, out);
    const InnerList& inner = std::get<InnerList>(member);
    out.push_back('(');
    for (std::size_t i = 0; i < inner.items.size(); ++i) {
        if (i > 0) out.push_back(' ');
        if (!write_item(inner.items[i], out)) return false;
    }
    out.push_back(')');
    return write_parameters(inner.parameters, out);
}

}  // namespace

bool append_string(std::string_view text, std::string& out) {
    if (!std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7e; })) return false;
    out.push_back('"');
    for (const char c : text) {
        if (c == '"' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    out.push_back('"');
    return true;
}

std::optional<std::string> serialize(const Item& item) {
    std::string out;
    if (!write_item(item, out)) return std::nullopt;
    return out;
}

std::optional<std::string> serialize(const List& list) {
    std::string out;
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (i > 0) out += ", ";
        if (!write_member(list[i], out)) return std::nullopt;
    }
    return out;
}

std::optional<std::string> serialize(const Dictionary& dictionary) {
    std::string out;
    for (std::size_t i = 0; i < dictionary.size(); ++i) {
        const auto& [key, member] = dictionary[i];
        if (!is_key(key)) return std::nullopt;
        if (i > 0) out += ", ";
        out += key;
        const Item* item = std::get_if<Item>(&member);
        if (item != nullptr && is_true(item->value)) {
            if (!write_parameters(item->parameters, out)) return std::nullopt;
            continue;
        }
        out.push_back('=');
        if (!write_member(member, out)) return std::nullopt;
    }
    return out;
}

}  // namespace tidegate::sf
