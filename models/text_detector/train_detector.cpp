#include "train_detector.h"

#include <fmt/format.h>

#include <map>

#include "services/provenance/text/explain.h"
#include "services/provenance/text/metrics.h"

namespace tidegate::provenance::text::training {
namespace {

constexpr std::string_view kSettingNames[kSettingCount] = {"folds", "domains"};

// AUROC and hits at 1 % of whole documents, by setting and domain.
template <class Pick>
std::string table_row(std::string_view name, const std::vector<ScoredRow>& rows, Pick pick) {
    std::string out = fmt::format("| {} |", name);
    for (const Setting setting : {kAcrossFolds, kAcrossDomains}) {
        for (const std::string_view domain : {"arxiv", "creative", "yelp"}) {
            std::vector<Scored> scored;
            for (const ScoredRow& row : rows) {
                if (row.setting == setting && row.whole && row.domain == domain) scored.push_back({pick(row), row.ai});
            }
            out += fmt::format(" {:.3f} / {:.2f} |", auroc(scored), tpr_at_fpr(scored, 0.01));
        }
    }
    return out + "\n";
}

std::string signal_table(const Trained& trained) {
    std::string out =
        "AUROC / hits at 1 % false positives of whole training documents, scored by models that never saw their prompt "
        "(folds) or their domain (domains):\n\n"
        "| signal | arXiv, folds | creative, folds | Yelp, folds | arXiv, domains | creative, domains | Yelp, domains "
        "|\n"
        "|---|---|---|---|---|---|---|\n";
    for (std::size_t i = 0; i < kSignalFamilies; ++i) {
        const double sign = trained.model.stack.weight[i] < 0 ? -1 : 1;
        out += table_row(signal_name(i), trained.rows, [&](const ScoredRow& row) { return sign * row.scores[i]; });
    }
    out += table_row("stylometry (six families)", trained.rows, [](const ScoredRow& row) {
        double sum = 0;
        for (std::size_t i = kSignalFamilies; i < kSignalCount; ++i) sum += row.scores[i];
        return sum;
    });
    out += table_row("**stack, calibrated**", trained.rows,
                     [&](const ScoredRow& row) { return log_odds_of(trained.model, row); });
    return out;
}

std::string flagged_table(const Trained& trained) {
    std::map<std::pair<std::string, int>, std::array<std::size_t, 4>> counts;  // Flagged and all, humans and AI.
    for (const ScoredRow& row : trained.rows) {
        if (!row.whole || row.words < 100) continue;
        auto& cell = counts[{row.domain, row.setting}];
        const std::size_t at = row.ai ? 2 : 0;
        cell[at] += log_odds_of(trained.model, row) >= trained.model.bands.ai_from ? 1 : 0;
        ++cell[at + 1];
    }
    std::string out =
        "\nTexts of 100+ words in the band `ai`, out of fold:\n\n| domain | setting | humans | machines "
        "|\n|---|---|---|---|\n";
    for (const auto& [key, c] : counts) {
        out += fmt::format("| {} | {} | {} of {} | {} of {} |\n", key.first,
                           kSettingNames[static_cast<std::size_t>(key.second)], c[0], c[1], c[2], c[3]);
    }
    return out;
}

}  // namespace

Result<Trained> train_detector(const Dataset& data, const TrainOptions& options) {
    const auto say = [&](const std::string& line) {
        if (options.say != nullptr) options.say(line);
    };
    const std::vector<Document> documents = documents_of(data.samples);
    std::map<bool, std::size_t> classes;
    for (const Document& document : documents) ++classes[document.ai];
    if (classes[false] < 10 || classes[true] < 10) {
        return fail(ErrorCode::kInvalidArgument, "training needs ten human and ten machine texts at least");
    }
    const std::vector<Row> rows = make_rows(documents, options.rows);
    say(fmt::format("{} documents, {} rows with crops", documents.size(), rows.size()));
    const FeatureTable table = extract_features(documents, rows, options.rows.domain_balance);
    say(fmt::format("{} windows measured; training out of fold", table.document.size()));
    Trained trained;
    trained.documents = documents.size();
    trained.rows = score_out_of_fold(documents, rows, table, options.folds);
    say("training on all documents");
    trained.model = train_base(table, documents, [](std::uint32_t) { return true; }, options.folds.base);
    fit_above_base(trained.rows, options.stack, trained.model);
    trained.model.trained_on = options.date;
    trained.model.data_digest = data.digest;
    return trained;
}

std::string describe_training(const Trained& trained) {
    const Model& model = trained.model;
    std::string out = signal_table(trained) + flagged_table(trained);
    std::vector<Scored> known;
    for (const ScoredRow& row : trained.rows) {
        if (row.setting == kAcrossFolds && row.whole) known.push_back({sigmoid(log_odds_of(model, row)), row.ai});
    }
    out += fmt::format(
        "\nCalibration error across folds: {:.3f}. Band `ai` from log-odds {:.2f} (probability {:.3f}), band "
        "`human` below {:.2f} (probability {:.3f}), both from {:.0f} words on.\n",
        calibration_error(known), model.bands.ai_from, sigmoid(model.bands.ai_from), model.bands.human_below,
        sigmoid(model.bands.human_below), model.bands.words_min);
    out +=
        "\nStack: weight, and its change per e-fold of the length (0 at 150 words):\n\n| input | weight | by length "
        "|\n|---|---|---|\n";
    for (std::size_t i = 0; i < kStackInputs; ++i) {
        out += fmt::format("| {} | {:.4f} | {:.4f} |\n", i < kSignalFamilies ? signal_name(i) : "stylometry",
                           model.stack.weight[i], model.stack.weight_by_length[i]);
    }
    return out;
}

}  // namespace tidegate::provenance::text::training
