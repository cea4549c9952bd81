#include "app/load_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "base/file.h"
#include "base/strings.h"

namespace tidegate::app {
namespace {

using load::Plan;

/// Of one invocation, before all of it is known.
struct Draft {
    LoadOptions options;
    std::optional<double> users, rate, duration;
};

using Take = Result<void> (*)(Draft&, std::string_view);

struct Option {
    std::string_view name;
    std::string_view value;  // What stands in the help for its value; empty: it takes none.
    std::string_view doc;
    bool generates;  // `generate` has it too.
    bool loads;
    Take take;
};

std::unexpected<Error> wrong_load_word(std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message));
}

template <class T>
Result<void> read_number(std::string_view text, T& out, T least, T most) {
    const auto value = parse_u64(text);
    if (!value || *value < least || *value > most) {
        return wrong_load_word(fmt::format("`{}` is no number from {} to {}", text, least, most));
    }
    out = static_cast<T>(*value);
    return {};
}

Result<void> real(std::string_view text, std::optional<double>& out, double most) {
    const auto value = parse_double(text);
    if (!value || !(*value > 0) || *value > most)
        return wrong_load_word(fmt::format("`{}` is no number above 0, {} at most", text, most));
    out = value;
    return {};
}

Result<void> seconds(std::string_view text, double& out) {
    TG_TRY(out, load::parse_seconds(text));
    return {};
}

/// `72%`, `0.72`.
Result<void> share(std::string_view text, double& out) {
    const bool percent = text.ends_with('%');
    const auto value = parse_double(percent ? text.substr(0, text.size() - 1) : text);
    const double scaled = value ? *value / (percent ? 100 : 1) : -1;
    if (!(scaled >= 0) || scaled > 1) return wrong_load_word(fmt::format("`{}` is no share such as 72% or 0.72", text));
    out = scaled;
    return {};
}

Result<void> key(std::string_view text, std::string& out) {
    if (!text.starts_with("file:")) {
        out = text;
    } else {
        const SystemDisk disk;
        TG_TRY(const std::string read, disk.read(std::string(text.substr(5)), 4096));
        out = trim(read);
    }
    const bool plain = std::ranges::all_of(out, [](char c) { return c > ' ' && c < 0x7f; });
    if (out.empty() || !plain) return wrong_load_word("a key is one word of visible characters");
    return {};
}

constexpr std::array<Option, 28> kOptions{{
    {"--target", "URL", "the server; without it the address of the settings", true, true,
     [](Draft& d, std::string_view v) {
         d.options.target = v;
         return Result<void>();
     }},
    {"--key", "KEY", "sent as Authorization: Bearer; file:PATH reads it from a file", true, true,
     [](Draft& d, std::string_view v) { return key(v, d.options.key); }},
    {"--ca", "FILE", "certificates to trust (PEM) instead of the system's", true, true,
     [](Draft& d, std::string_view v) {
         d.options.ca_file = v;
         return Result<void>();
     }},
    {"--insecure", "", "do not check the server's certificate", true, true,
     [](Draft& d, std::string_view) {
         d.options.verify = false;
         return Result<void>();
     }},
    {"--users", "N", "closed loop: the profile's users, scaled to at most N", false, true,
     [](Draft& d, std::string_view v) { return real(v, d.users, 50'000); }},
    {"--rate", "N", "open loop: requests a second instead of users", false, true,
     [](Draft& d, std::string_view v) { return real(v, d.rate, 2'000'000); }},
    {"--arrivals", "KIND", "open loop: poisson (the default) or constant", false, true,
     [](Draft& d, std::string_view v) -> Result<void> {
         if (v != "poisson" && v != "constant") return wrong_load_word("--arrivals is poisson or constant");
         d.options.plan.arrivals = v == "poisson" ? load::Arrivals::kPoisson : load::Arrivals::kConstant;
         return {};
     }},
    {"--connections", "N", "open loop: at most so many connections (256)", false, true,
     [](Draft& d, std::string_view v) { return read_number(v, d.options.plan.connections, 1U, 50'000U); }},
    {"--duration", "TIME", "the measured window: 500ms, 30s, 5m, 2h", false, true,
     [](Draft& d, std::string_view v) { return seconds(v, d.duration.emplace()); }},
    {"--stages", "LIST", "TIME:LEVEL,...: a course of your own, such as 0s:50,30s:50,1s:500", false, true,
     [](Draft& d, std::string_view v) -> Result<void> {
         TG_TRY(d.options.plan.stages, load::parse_stages(v));
         d.options.plan.ramp_s = 0;
         d.options.plan.profile = "stages";
         return {};
     }},
    {"--ramp", "TIME", "from nothing to the first level; not measured", false, true,
     [](Draft& d, std::string_view v) { return seconds(v, d.options.plan.ramp_s); }},
    {"--warm-up", "TIME", "at the first level; not measured", false, true,
     [](Draft& d, std::string_view v) { return seconds(v, d.options.plan.warm_up_s); }},
    {"--requests", "N", "end after so many measured requests", false, true,
     [](Draft& d, std::string_view v) {
         return read_number<std::uint64_t>(v, d.options.plan.requests, 1, 1'000'000'000'000);
     }},
    {"--think", "TIME", "closed loop: mean pause of a user", false, true,
     [](Draft& d, std::string_view v) { return seconds(v, d.options.plan.think_s); }},
    {"--timeout", "TIME", "a request's (10s)", false, true,
     [](Draft& d, std::string_view v) { return seconds(v, d.options.plan.timeout_s); }},
    {"--threads", "N", "of the generator (1)", false, true,
     [](Draft& d, std::string_view v) { return read_number(v, d.options.plan.threads, 1U, 64U); }},
    {"--mix", "LIST", "NAME[=WEIGHT],...: only these operations", true, true,
     [](Draft& d, std::string_view v) {
         d.options.mix = v;
         return Result<void>();
     }},
    {"--call", "CALL", "METHOD PATH [JSON] instead of the routes found; {key}, {number}, {text} differ", true, true,
     [](Draft& d, std::string_view v) {
         d.options.calls.emplace_back(v);
         return Result<void>();
     }},
    {"--repeats", "SHARE", "of the questions that were asked before (72%)", true, true,
     [](Draft& d, std::string_view v) { return share(v, d.options.plan.repeats); }},
    {"--hot-keys", "N", "earlier questions to repeat, each operation (1000)", true, true,
     [](Draft& d, std::string_view v) { return read_number(v, d.options.plan.hot_keys, 1U, 1'000'000U); }},
    {"--seed", "N", "of everything that is drawn (1)", true, true,
     [](Draft& d, std::string_view v) {
         return read_number<std::uint64_t>(v, d.options.plan.seed, 0, (1ULL << 53U) - 1);
     }},
    {"--heavy", "", "large batches only, as the profile heavy-batch", true, false,
     [](Draft& d, std::string_view) {
         d.options.plan.heavy = true;
         return Result<void>();
     }},
    {"--count", "N", "lines (1000)", true, false,
     [](Draft& d, std::string_view v) { return read_number<std::uint64_t>(v, d.options.count, 1, 1'000'000'000); }},
    {"--slo", "LIST", "p95<75ms,errors<0.1%,rps>=15000: exit status 3 when one is missed", false, true,
     [](Draft& d, std::string_view v) -> Result<void> {
         TG_TRY(auto more, load::parse_slos(v));
         std::ranges::move(more, std::back_inserter(d.options.slos));
         return {};
     }},
    {"--out", "FILE", "the result as JSON; of generate: where to write instead of standard output", true, true,
     [](Draft& d, std::string_view v) {
         d.options.out = v;
         return Result<void>();
     }},
    {"--html", "FILE", "the report as a page", false, true,
     [](Draft& d, std::string_view v) {
         d.options.html = v;
         return Result<void>();
     }},
    {"--label", "TEXT", "kept in the result", false, true,
     [](Draft& d, std::string_view v) {
         d.options.label = v;
         return Result<void>();
     }},
    {"--quiet", "", "no progress", false, true,
     [](Draft& d, std::string_view) {
         d.options.quiet = true;
         return Result<void>();
     }},
}};

std::unexpected<Error> unknown(std::string_view word, bool generate) {
    std::string_view nearest;
    std::size_t best = 4;
    for (const Option& option : kOptions) {
        const std::size_t distance = edit_distance(word, option.name);
        if ((generate ? option.generates : option.loads) && distance < best) {
            best = distance;
            nearest = option.name;
        }
    }
    return wrong_load_word(fmt::format("{} does not know `{}`{}", generate ? "generate" : "load", word,
                                       nearest.empty() ? "" : fmt::format(", did you mean `{}`?", nearest)));
}

/// `--name value`, `--name=value`, and words without dashes to `rest`.
Result<std::vector<std::string>> read(const std::vector<std::string>& words, bool generate, Draft& draft) {
    std::vector<std::string> rest;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view word = words[i];
        if (!word.starts_with("--")) {
            rest.emplace_back(word);
            continue;
        }
        const std::size_t equals = word.find('=');
        const std::string_view name = word.substr(0, equals);
        const auto found = std::ranges::find(kOptions, name, &Option::name);
        if (found == kOptions.end() || !(generate ? found->generates : found->loads)) return unknown(name, generate);
        std::string_view value;
        if (found->value.empty()) {
            if (equals != std::string_view::npos) return wrong_load_word(fmt::format("{} takes no value", name));
        } else if (equals != std::string_view::npos) {
            value = word.substr(equals + 1);
        } else if (i + 1 < words.size()) {
            value = words[++i];
        } else {
            return wrong_load_word(fmt::format("{} needs {}", name, found->value));
        }
        if (const auto taken = found->take(draft, value); !taken) {
            return wrong_load_word(fmt::format("{}: {}", name, taken.error().message));
        }
    }
    return rest;
}

/// Levels and times of the profile, brought to what was asked for.
Result<void> scale(Draft& draft) {
    Plan& plan = draft.options.plan;
    if (draft.users && draft.rate)
        return wrong_load_word("--users is a closed loop, --rate an open one: one of the two");
    double most = 0;
    for (const load::Stage& stage : plan.stages) most = std::max({most, stage.from, stage.to});
    if (draft.rate) plan.loop = load::Loop::kOpen;
    const double level = draft.users.value_or(draft.rate.value_or(most)) / most;
    const double time = draft.duration ? *draft.duration / plan.window_s() : 1;
    for (load::Stage& stage : plan.stages) {
        stage.from *= level;
        stage.to *= level;
        stage.seconds *= time;
    }
    if (plan.window_s() < 0.001) return wrong_load_word("the measured window takes at least 1ms");
    if (plan.timeout_s <= 0) return wrong_load_word("--timeout is above 0");
    const bool open = plan.loop == load::Loop::kOpen;
    if (!open && plan.connections != 0)
        return wrong_load_word("--connections is of an open loop (--rate); users have one each");
    if (open && plan.think_s > 0) return wrong_load_word("--think is of a closed loop");
    if (!open && plan.shape().level_max() > 50'000) return wrong_load_word("at most 50,000 users");
    if (open && plan.connections == 0) plan.connections = 256;
    const double slots = open ? plan.connections : plan.shape().level_max();
    if (plan.threads > slots) return wrong_load_word("more threads than connections");
    return {};
}

std::string help_of(bool generate) {
    std::string out;
    for (const Option& option : kOptions) {
        if (!(generate ? option.generates : option.loads)) continue;
        fmt::format_to(std::back_inserter(out), "  {:<20} {}\n", fmt::format("{} {}", option.name, option.value),
                       option.doc);
    }
    return out;
}

}  // namespace

Result<LoadOptions> read_load_words(const std::vector<std::string>& words) {
    Draft draft;
    // The profile comes first of all, wherever it stands: options change it.
    std::string name = "normal";
    std::vector<std::string> left = words;
    if (!left.empty() && !left.front().starts_with("--")) {
        name = left.front();
        left.erase(left.begin());
    }
    const load::Profile* profile = load::find_profile(name);
    if (profile == nullptr) {
        std::string known;
        for (const load::Profile& one : load::profiles()) known.append(known.empty() ? "" : ", ").append(one.name);
        return wrong_load_word(fmt::format("there is no profile `{}`; there are {}", name, known));
    }
    draft.options.plan = profile->plan;
    TG_TRY(const auto rest, read(left, false, draft));
    if (!rest.empty()) return wrong_load_word(fmt::format("load does not know `{}`", rest.front()));
    TG_CHECK(scale(draft));
    return std::move(draft.options);
}

Result<LoadOptions> read_generate_words(const std::vector<std::string>& words) {
    Draft draft;
    TG_TRY(const auto rest, read(words, true, draft));
    if (!rest.empty()) return wrong_load_word(fmt::format("generate does not know `{}`", rest.front()));
    return std::move(draft.options);
}

std::string load_help() {
    std::string out =
        "usage: tidegate load [PROFILE] [OPTIONS] | load compare A.json B.json | load report FILE.json [--html "
        "FILE]\n\nprofiles:\n";
    for (const load::Profile& profile : load::profiles()) {
        fmt::format_to(std::back_inserter(out), "  {:<20} {}\n", profile.name, profile.summary);
    }
    return out + "\noptions:\n" + help_of(false) +
           "\nexit status: 0 done, 1 it could not be run, 2 wrong use, 3 an SLO was missed\n";
}

std::string generate_help() {
    return "usage: tidegate generate [OPTIONS]\n\nrequests of the mix, one JSON object in each line\n\noptions:\n" +
           help_of(true);
}

}  // namespace tidegate::app
