#include "out_of_fold.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "services/provenance/text/lexicon.h"

namespace tidegate::provenance::text::training {
namespace {

// One model to train and the documents it is asked about.
struct Job {
    Setting setting = kAcrossFolds;
    std::vector<bool> held_out;  // By document.
};

std::vector<Job> make_jobs(const std::vector<Document>& documents, unsigned folds) {
    std::vector<Job> jobs;
    for (unsigned fold = 0; fold < folds; ++fold) {
        Job job{kAcrossFolds, std::vector<bool>(documents.size())};
        for (std::size_t d = 0; d < documents.size(); ++d) {
            job.held_out[d] = mix64(word_hash(documents[d].group)) % folds == fold;
        }
        jobs.push_back(std::move(job));
    }
    std::set<std::string> domains;
    for (const Document& document : documents) domains.insert(document.domain);
    for (const std::string& domain : domains) {
        Job job{kAcrossDomains, std::vector<bool>(documents.size())};
        for (std::size_t d = 0; d < documents.size(); ++d) job.held_out[d] = documents[d].domain == domain;
        jobs.push_back(std::move(job));
    }
    return jobs;
}

bool two_classes_left(const Job& job, const std::vector<Document>& documents) {
    bool seen[2] = {false, false};
    for (std::size_t d = 0; d < documents.size(); ++d) seen[documents[d].ai ? 1 : 0] |= !job.held_out[d];
    return seen[0] && seen[1];
}

ScoredRow score_row(const Model& model, const Document& document, const Row& row, Reading& reading,
                    DocumentScores& scores) {
    reading.read(row.text);
    score_document(model, reading, scores);
    ScoredRow scored;
    scored.ai = document.ai;
    scored.whole = row.whole;
    scored.words = scores.words;
    scored.domain = document.domain;
    scored.group = document.group;
    scored.scores = scores.scores;
    scored.shown = scores.shown;
    scored.style_distance = scores.style_distance;
    const TextTraits& traits = reading.normal().traits;
    const double letters = std::max(1.0, static_cast<double>(traits.latin_letters) + traits.foreign_letters);
    scored.foreign_share = traits.foreign_letters / letters;
    scored.code_share =
        static_cast<double>(traits.code_symbols) / std::max(1.0, static_cast<double>(traits.code_points));
    if (row.whole) segment_inputs(reading.tokens(), scores, scored.segments);
    return scored;
}

void run_job(const Job& job, const std::vector<Document>& documents, const std::vector<Row>& rows,
             const FeatureTable& table, const BaseOptions& options, std::vector<ScoredRow>& out) {
    const Model model =
        train_base(table, documents, [&](std::uint32_t document) { return !job.held_out[document]; }, options);
    Reading reading;
    DocumentScores scores;
    for (std::uint32_t r = 0; r < rows.size(); ++r) {
        const std::uint32_t d = rows[r].document;
        if (!job.held_out[d]) continue;
        ScoredRow scored = score_row(model, documents[d], rows[r], reading, scores);
        scored.row = r;
        scored.setting = job.setting;
        out.push_back(std::move(scored));
    }
}

}  // namespace

std::vector<ScoredRow> score_out_of_fold(const std::vector<Document>& documents, const std::vector<Row>& rows,
                                         const FeatureTable& table, const FoldOptions& options) {
    std::vector<Job> jobs = make_jobs(documents, options.folds);
    std::erase_if(jobs, [&](const Job& job) { return !two_classes_left(job, documents); });
    std::vector<std::vector<ScoredRow>> results(jobs.size());
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
        for (std::size_t j = next++; j < jobs.size(); j = next++) {
            run_job(jobs[j], documents, rows, table, options.base, results[j]);
        }
    };
    {
        std::vector<std::jthread> workers;
        for (unsigned t = 1; t < options.threads; ++t) workers.emplace_back(work);
        work();
    }
    std::vector<double> rows_of(documents.size(), 0);
    for (const Row& row : rows) rows_of[row.document] += 1;
    std::vector<ScoredRow> all;
    for (auto& part : results) {
        for (ScoredRow& scored : part) {
            scored.weight = 1.0 / rows_of[rows[scored.row].document];
            all.push_back(std::move(scored));
        }
    }
    return all;
}

}  // namespace tidegate::provenance::text::training
