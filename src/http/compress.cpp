#include "http/compress.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <limits>
#include <memory>

#include "base/strings.h"
#include "http/syntax.h"

namespace tidegate::http {
namespace {

// Levels: see bench/results/http_compress.json.
constexpr int kZstdLevel = 3;
constexpr int kBrotliQuality = 4;
constexpr int kGzipLevel = 5;
constexpr int kBrotliWindowBits = 18;  // 256 KiB: longer than nearly all our answers.

constexpr std::array<Coding, 4> kPreference = {Coding::kZstd, Coding::kBrotli, Coding::kGzip, Coding::kIdentity};

/// `0`, `1`, `0.123` in thousandths; -1 when malformed.
int parse_q(std::string_view text) noexcept {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return -1;
    int value = text[0] == '1' ? 1000 : 0;
    if (text.size() == 1) return value;
    if (text[1] != '.') return -1;
    int weight = 100;
    for (const char c : text.substr(2)) {
        if (c < '0' || c > '9') return -1;
        value += (c - '0') * weight;
        weight /= 10;
    }
    return value > 1000 ? -1 : value;
}

struct Wish {
    std::string_view coding;
    int q = 1000;
};

Wish parse_wish(std::string_view part) noexcept {
    Wish wish;
    const std::size_t semicolon = part.find(';');
    wish.coding = syntax::trim_blank(part.substr(0, semicolon));
    if (semicolon == std::string_view::npos) return wish;
    const std::string_view parameter = syntax::trim_blank(part.substr(semicolon + 1));
    if (parameter.size() < 2 || (parameter[0] != 'q' && parameter[0] != 'Q') || parameter[1] != '=') return {{}, -1};
    wish.q = parse_q(parameter.substr(2));
    return wish;
}

Error library_error(std::string_view coding) {
    return Error{ErrorCode::kInternal, "compressing with " + std::string(coding) + " failed"};
}

Result<std::string> compress_zstd(std::string_view body) {
    std::string out(::ZSTD_compressBound(body.size()), '\0');
    // A context is 1.3 MB to set up: kept by the worker thread.
    thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&::ZSTD_freeCCtx)> context(::ZSTD_createCCtx(),
                                                                                      &::ZSTD_freeCCtx);
    if (!context) return std::unexpected(library_error("zstd"));
    const std::size_t size =
        ::ZSTD_compressCCtx(context.get(), out.data(), out.size(), body.data(), body.size(), kZstdLevel);
    if (::ZSTD_isError(size) != 0) return std::unexpected(library_error("zstd"));
    out.resize(size);
    return out;
}

Result<std::string> compress_brotli(std::string_view body) {
    std::size_t size = ::BrotliEncoderMaxCompressedSize(body.size());
    std::string out(size, '\0');
    const auto* in = reinterpret_cast<const std::uint8_t*>(body.data());
    const bool done = ::BrotliEncoderCompress(kBrotliQuality, kBrotliWindowBits, BROTLI_MODE_TEXT, body.size(), in,
                                              &size, reinterpret_cast<std::uint8_t*>(out.data())) == BROTLI_TRUE;
    if (!done) return std::unexpected(library_error("br"));
    out.resize(size);
    return out;
}

Result<std::string> compress_gzip(std::string_view body) {
    if (body.size() > std::numeric_limits<uInt>::max() / 2) return std::unexpected(library_error("gzip"));
    z_stream stream{};
    constexpr int kGzipWindow = 15 + 16;  // 32 KiB window, gzip framing.
    constexpr int kMemoryLevel = 8;       // zlib's default.
    if (::deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
        return std::unexpected(library_error("gzip"));
    }
    std::string out(::deflateBound(&stream, body.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
    stream.avail_in = static_cast<uInt>(body.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const bool done = ::deflate(&stream, Z_FINISH) == Z_STREAM_END;
    const std::size_t size = stream.total_out;
    ::deflateEnd(&stream);
    if (!done) return std::unexpected(library_error("gzip"));
    out.resize(size);
    return out;
}

}  // namespace

std::string_view to_string(Coding coding) noexcept {
    constexpr std::array<std::string_view, 4> kNames = {"identity", "gzip", "br", "zstd"};
    return kNames[static_cast<std::size_t>(coding)];
}

Coding choose_coding(std::string_view accept_encoding) noexcept {
    constexpr int kUnnamed = -2;
    std::array<int, 4> q{kUnnamed, kUnnamed, kUnnamed, kUnnamed};
    int star = kUnnamed;
    for (std::string_view rest = accept_encoding; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find(','));
        rest.remove_prefix(part.size() < rest.size() ? part.size() + 1 : rest.size());
        if (syntax::trim_blank(part).empty()) continue;
        const Wish wish = parse_wish(part);
        if (wish.q < 0) return Coding::kIdentity;
        if (wish.coding == "*") star = wish.q;
        for (const Coding coding : kPreference) {
            if (iequals(wish.coding, to_string(coding))) q[static_cast<std::size_t>(coding)] = wish.q;
        }
        if (iequals(wish.coding, "x-gzip")) q[static_cast<std::size_t>(Coding::kGzip)] = wish.q;
    }
    Coding best = Coding::kIdentity;
    int best_q = 0;
    for (const Coding coding : kPreference) {
        int wanted = q[static_cast<std::size_t>(coding)];
        // Not named: what `*` says; identity is acceptable without a word, and last.
        if (wanted == kUnnamed) wanted = star;
        if (wanted == kUnnamed) wanted = coding == Coding::kIdentity ? 1 : 0;
        if (wanted > best_q) {
            best = coding;
            best_q = wanted;
        }
    }
    return best;
}

Result<std::string> compress(std::string_view body, Coding coding) {
    switch (coding) {
        case Coding::kZstd:
            return compress_zstd(body);
        case Coding::kBrotli:
            return compress_brotli(body);
        case Coding::kGzip:
            return compress_gzip(body);
        case Coding::kIdentity:
            break;
    }
    return std::string(body);
}

}  // namespace tidegate::http
