// `tidegate generate`: the requests of a load as lines of JSON, for tools of others and for a look at them.
#include <fmt/core.h>

#include <cstdio>

#include "app/load_main.h"
#include "app/load_target.h"
#include "base/file.h"
#include "base/json_writer.h"

namespace tidegate::app {
namespace {

std::string line_of(const load::Mix& mix, const load::Draw::One& one, const load::Payload& payload) {
    std::string line;
    JsonWriter writer(line);
    writer.begin_object().field("operation", mix.operations()[one.operation].name).field("method", payload.method);
    writer.field("target", payload.target).field("repeat", one.repeat);
    if (!payload.body.empty()) {
        writer.field("content_type", payload.content_type).key("body").raw(payload.body);
    }
    writer.end_object();
    line.push_back('\n');
    return line;
}

Result<void> generate(const LoadOptions& options) {
    load::Offers offers;
    std::string fields;
    if (options.target.empty()) {
        TG_TRY(offers, offline_offers(options));
    } else {
        TG_TRY(LoadTarget target, find_target(options, options.target));
        offers = std::move(target.offers);
    }
    TG_TRY(const load::Mix mix, make_mix(offers, options, fields));
    for (const load::LeftOut& one : offers.left_out) fmt::print(stderr, "left out: {}: {}\n", one.name, one.reason);
    // To a file: whole, so that half of one is never taken for all.
    std::string whole;
    load::Draw draw(mix, 0, 1);
    load::Payload payload;
    for (std::uint64_t i = 0; i < options.count; ++i) {
        const load::Draw::One one = draw.next();
        mix.make(one.operation, one.key, payload);
        const std::string line = line_of(mix, one, payload);
        if (!options.out.empty()) {
            whole += line;
        } else if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size()) {
            return fail(ErrorCode::kUnavailable, "the requests cannot be written");
        }
    }
    if (!options.out.empty()) {
        SystemDisk disk;
        return disk.write_atomic(options.out, whole);
    }
    if (std::fflush(stdout) != 0) return fail(ErrorCode::kUnavailable, "the requests cannot be written");
    return {};
}

}  // namespace

int generate_main(const std::vector<std::string>& words) {
    if (!words.empty() && (words[0] == "help" || words[0] == "--help")) {
        fmt::print("{}", generate_help());
        return 0;
    }
    const auto options = read_generate_words(words);
    if (!options) {
        fmt::print(stderr, "tidegate: {}; see `tidegate generate help`\n", options.error().message);
        return 2;
    }
    const auto done = generate(*options);
    if (done) return 0;
    fmt::print(stderr, "tidegate: {}\n", done.error().message);
    return done.error().code == ErrorCode::kInvalidArgument ? 2 : 1;
}

}  // namespace tidegate::app
