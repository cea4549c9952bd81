#include "model/onnx/runtime.h"

#include <dlfcn.h>
#include <onnxruntime_c_api.h>

#include <new>
#include <utility>

#include "base/mutex.h"
#include "base/utf8.h"
#include "model/onnx/memory.h"

namespace tidegate::model::onnx {
namespace {

// What the library allocates for tensors goes to the account of the thread's MemoryScope.
struct Allocator : OrtAllocator {
    const OrtMemoryInfo* info = nullptr;
    MemoryAccount* nobodys = nullptr;  // Of threads without a scope.
};

void* ORT_API_CALL allocate(OrtAllocator* self, std::size_t size) {
    MemoryAccount* const account = MemoryScope::current;
    void* const block = (account != nullptr ? account : static_cast<Allocator*>(self)->nobodys)->allocate(size);
    if (block != nullptr) return block;
    // The library takes no null from its allocators; its own report failure so, and every call of it turns that into a status.
    throw std::bad_alloc();
}

void ORT_API_CALL release(OrtAllocator* /*self*/, void* block) {
    MemoryAccount::free(block);
}

const OrtMemoryInfo* ORT_API_CALL info_of(const OrtAllocator* self) {
    return static_cast<const Allocator*>(self)->info;
}

// What the library would print is dropped: what matters comes back as a status.
void ORT_API_CALL drop_line(void*, OrtLoggingLevel, const char*, const char*, const char*, const char*) {}

std::string loader_words() {
    const char* const words = dlerror();
    return words != nullptr ? words : "no reason given";
}

Result<void> set_up(Runtime& runtime) {
    const OrtApi& api = *runtime.api;
    TG_CHECK(check(api,
                   api.CreateEnvWithCustomLogger(drop_line, nullptr, ORT_LOGGING_LEVEL_FATAL, "tidegate", &runtime.env),
                   ErrorCode::kUnavailable, "ONNX Runtime does not start"));
    OrtMemoryInfo* cpu = nullptr;
    TG_CHECK(check(api, api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &cpu), ErrorCode::kUnavailable,
                   "ONNX Runtime does not start"));
    runtime.cpu = cpu;
    static Allocator allocator;
    allocator.version = ORT_API_VERSION;
    allocator.Alloc = allocate;
    allocator.Free = release;
    allocator.Info = info_of;
    allocator.Reserve = allocate;
    allocator.info = cpu;
    allocator.nobodys = MemoryAccount::open(0);
    return check(api, api.RegisterAllocator(runtime.env, &allocator), ErrorCode::kUnavailable,
                 "ONNX Runtime takes no allocator");
}

Result<std::unique_ptr<Runtime>> load(const std::string& library) {
    void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr) {
        return fail(ErrorCode::kUnavailable, "ONNX Runtime cannot be loaded: " + loader_words());
    }
    using GetBase = const OrtApiBase*(ORT_API_CALL*)();
    const auto get_base = reinterpret_cast<GetBase>(dlsym(handle, "OrtGetApiBase"));
    if (get_base == nullptr) return fail(ErrorCode::kUnavailable, library + " is not ONNX Runtime");
    const OrtApiBase* const base = get_base();
    auto runtime = std::make_unique<Runtime>();
    runtime->version = base->GetVersionString();
    runtime->api = base->GetApi(ORT_API_VERSION);
    if (runtime->api == nullptr) {
        return fail(ErrorCode::kUnavailable, "ONNX Runtime " + runtime->version +
                                                 " is older than the headers of this program (1." +
                                                 std::to_string(ORT_API_VERSION) + "); it needs at least that version");
    }
    runtime->path = library;
    if (Dl_info where{}; dladdr(reinterpret_cast<void*>(get_base), &where) != 0 && where.dli_fname != nullptr) {
        runtime->path = where.dli_fname;
    }
    TG_CHECK(set_up(*runtime));
    return runtime;
}

}  // namespace

Result<const Runtime*> open_runtime(const std::string& library) {
    static Mutex mutex;
    static const Runtime* loaded = nullptr;
    static std::string asked;
    const Lock lock(mutex);
    if (loaded != nullptr) {
        if (asked == library || loaded->path == library) return loaded;
        return fail(ErrorCode::kUnavailable, "this process has loaded another ONNX Runtime already: " + loaded->path);
    }
    TG_TRY(std::unique_ptr<Runtime> runtime, load(library));
    asked = library;
    loaded = runtime.release();
    return loaded;
}

void Release::operator()(OrtSession* it) const noexcept {
    api->ReleaseSession(it);
}
void Release::operator()(OrtSessionOptions* it) const noexcept {
    api->ReleaseSessionOptions(it);
}
void Release::operator()(OrtRunOptions* it) const noexcept {
    api->ReleaseRunOptions(it);
}
void Release::operator()(OrtValue* it) const noexcept {
    api->ReleaseValue(it);
}
void Release::operator()(OrtTypeInfo* it) const noexcept {
    api->ReleaseTypeInfo(it);
}
void Release::operator()(OrtTensorTypeAndShapeInfo* it) const noexcept {
    api->ReleaseTensorTypeAndShapeInfo(it);
}
void Release::operator()(OrtCUDAProviderOptionsV2* it) const noexcept {
    api->ReleaseCUDAProviderOptions(it);
}

Outcome outcome(const OrtApi& api, OrtStatus* status) {
    if (status == nullptr) return {};
    constexpr std::size_t kWordsMax = 400;  // An operator's message is one or two lines; names in it can be any length.
    Outcome out;
    out.failed = true;
    out.bad_argument = api.GetErrorCode(status) == ORT_INVALID_ARGUMENT;
    const std::string_view given = api.GetErrorMessage(status);
    for (std::size_t at = 0; at < given.size() && out.words.size() < kWordsMax;) {
        const char32_t letter = utf8::next(given, at);
        utf8::append(out.words, letter < U' ' || letter == 0x7F ? U' ' : letter);
    }
    api.ReleaseStatus(status);
    return out;
}

Result<void> check(const OrtApi& api, OrtStatus* status, ErrorCode code, const char* what) {
    Outcome said = outcome(api, status);
    if (!said.failed) return {};
    return fail(code, std::string(what) + ": " + said.words);
}

}  // namespace tidegate::model::onnx
