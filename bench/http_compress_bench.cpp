// http_compress_bench: size and time of each content coding at several levels on JSON like ours; why compress.cpp uses its levels.
//
// Use         bench_http_compress FILE...: prints one JSON document; bench/results/http_compress.json was made from
//             openapi.json, an analysis and a page of history.
#include <brotli/encode.h>
#include <fmt/core.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"

namespace {

using Encoder = std::function<std::size_t(const std::string& in, std::string& out)>;

double cpu_us() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

std::size_t zstd(int level, const std::string& in, std::string& out) {
    static ZSTD_CCtx* const context = ::ZSTD_createCCtx();
    return ::ZSTD_compressCCtx(context, out.data(), out.size(), in.data(), in.size(), level);
}

std::size_t brotli(int quality, const std::string& in, std::string& out) {
    std::size_t size = out.size();
    ::BrotliEncoderCompress(quality, 18, BROTLI_MODE_TEXT, in.size(), reinterpret_cast<const std::uint8_t*>(in.data()),
                            &size, reinterpret_cast<std::uint8_t*>(out.data()));
    return size;
}

std::size_t gzip(int level, const std::string& in, std::string& out) {
    z_stream stream{};
    ::deflateInit2(&stream, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    ::deflate(&stream, Z_FINISH);
    const std::size_t size = stream.total_out;
    ::deflateEnd(&stream);
    return size;
}

/// Median CPU time of 15 runs.
void measure(const std::string& in, const std::string& name, int level, const Encoder& encode, bool first) {
    std::string out(in.size() * 2 + 4096, '\0');
    std::size_t size = 0;
    std::vector<double> times;
    for (int i = 0; i < 15; ++i) {
        const double start = cpu_us();
        size = encode(in, out);
        times.push_back(cpu_us() - start);
    }
    std::ranges::sort(times);
    fmt::print("{}\n    {{\"input_bytes\": {}, \"coding\": \"{}\", \"level\": {}, \"bytes\": {}, \"cpu_us\": {:.1f}}}",
               first ? "" : ",", in.size(), name, level, size, times[times.size() / 2]);
}

}  // namespace

int main(int argc, char** argv) {
    const tidegate::SystemDisk disk;
    fmt::print("{{\"name\": \"http_compress\", \"rows\": [");
    bool first = true;
    const auto run = [&first](const std::string& in, const std::string& name, const std::vector<int>& levels,
                              auto encode) {
        for (const int level : levels) {
            measure(
                in, name, level, [&](const std::string& from, std::string& to) { return encode(level, from, to); },
                first);
            first = false;
        }
    };
    for (int i = 1; i < argc; ++i) {
        const auto in = disk.read(argv[i], 1 << 24);
        if (!in) {
            fmt::print(stderr, "{}\n", in.error().message);
            return 1;
        }
        run(*in, "zstd", {1, 3, 6}, zstd);
        run(*in, "br", {1, 4, 5}, brotli);
        run(*in, "gzip", {1, 5, 6}, gzip);
    }
    fmt::print("\n]}}\n");
    return 0;
}
