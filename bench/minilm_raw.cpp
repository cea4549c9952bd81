// Raw ONNX Runtime in a loop: what a text encoder costs with nothing around it. The lower bound that bench/minilm.py compares with.
//
// Use         bench_minilm_raw LIBRARY MODEL.onnx BATCHES SECONDS
//             BATCHES: little-endian int64 numbers, for each batch rows, tokens, then input_ids, attention_mask, token_type_ids.
//             Writes one line of JSON: rows a second, and microseconds of this process' CPU a row.
// Options     The library's own defaults, but one thread (intra-op and inter-op).
#include <dlfcn.h>
#include <fmt/format.h>
#include <onnxruntime_c_api.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/strings.h"

namespace {

const OrtApi* api = nullptr;

void check(OrtStatus* status) {
    if (status == nullptr) return;
    fmt::print(stderr, "{}\n", api->GetErrorMessage(status));
    std::exit(1);
}

double cpu_us() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto us = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
    };
    return us(used.ru_utime) + us(used.ru_stime);
}

struct Batch {
    std::array<std::int64_t, 2> shape{};
    std::array<std::vector<std::int64_t>, 3> values;
};

std::vector<Batch> read_batches(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::int64_t> numbers(bytes.size() / sizeof(std::int64_t));
    bytes.copy(reinterpret_cast<char*>(numbers.data()), numbers.size() * sizeof(std::int64_t));
    std::vector<Batch> batches;
    for (auto at = numbers.begin(); at < numbers.end();) {
        Batch& batch = batches.emplace_back();
        for (std::int64_t& dimension : batch.shape) dimension = *at++;
        for (auto& values : batch.values) {
            values.assign(at, at + batch.shape[0] * batch.shape[1]);
            at += batch.shape[0] * batch.shape[1];
        }
    }
    return batches;
}

void run(OrtSession* session, const OrtMemoryInfo* memory, Batch& batch) {
    constexpr std::array<const char*, 3> kInputs{"input_ids", "attention_mask", "token_type_ids"};
    constexpr std::array<const char*, 1> kOutputs{"last_hidden_state"};
    std::array<OrtValue*, 3> inputs{};
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        auto& values = batch.values[i];
        check(api->CreateTensorWithDataAsOrtValue(memory, values.data(), values.size() * sizeof(std::int64_t),
                                                  batch.shape.data(), batch.shape.size(),
                                                  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, &inputs[i]));
    }
    OrtValue* output = nullptr;
    check(api->Run(session, nullptr, kInputs.data(), inputs.data(), inputs.size(), kOutputs.data(), 1, &output));
    api->ReleaseValue(output);
    for (OrtValue* const input : inputs) api->ReleaseValue(input);
}

}  // namespace

int main(int count, char** words) {
    if (count < 5) {
        fmt::print(stderr, "bench_minilm_raw LIBRARY MODEL.onnx BATCHES SECONDS\n");
        return 2;
    }
    void* const library = ::dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return fmt::print(stderr, "{}\n", ::dlerror()), 1;
    using GetBase = const OrtApiBase*(ORT_API_CALL*)();
    const OrtApiBase* const base = reinterpret_cast<GetBase>(::dlsym(library, "OrtGetApiBase"))();
    api = base->GetApi(ORT_API_VERSION);
    if (api == nullptr) return fmt::print(stderr, "the library is older than the headers\n"), 1;
    OrtEnv* environment = nullptr;
    OrtSessionOptions* options = nullptr;
    OrtSession* session = nullptr;
    OrtMemoryInfo* memory = nullptr;
    check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "raw", &environment));
    check(api->CreateSessionOptions(&options));
    check(api->SetIntraOpNumThreads(options, 1));
    check(api->SetInterOpNumThreads(options, 1));
    check(api->CreateSession(environment, words[2], options, &session));
    check(api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory));
    std::vector<Batch> batches = read_batches(words[3]);
    for (Batch& batch : batches) run(session, memory, batch);  // Warm.

    using Clock = std::chrono::steady_clock;
    const double seconds = tidegate::parse_double(words[4]).value_or(2);
    const double cpu_before = cpu_us();
    const auto began = Clock::now();
    std::int64_t rows = 0;
    double took = 0;
    // Whole rounds: each batch counts as often as any other.
    while (took < seconds) {
        for (Batch& batch : batches) {
            run(session, memory, batch);
            rows += batch.shape[0];
        }
        took = std::chrono::duration<double>(Clock::now() - began).count();
    }
    const auto done = static_cast<double>(rows);
    fmt::print("{{\"rows_a_s\": {:.2f}, \"cpu_us_a_row\": {:.1f}, \"onnxruntime\": \"{}\"}}\n", done / took,
               (cpu_us() - cpu_before) / done, base->GetVersionString());
    return 0;
}
