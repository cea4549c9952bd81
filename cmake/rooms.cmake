# tidegate_room(NAME SOURCES a.cpp ... ROOMS base ... LIBS Threads::Threads ...)
#
# One room is one static library `tidegate_NAME`; its ROOMS are the direction data may walk.
# Third-party headers come in through LIBS as system headers, so that our warnings stay ours.
function(tidegate_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;ROOMS;LIBS" ${ARGN})
  add_library(tidegate_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(tidegate_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  foreach(room ${ROOM_ROOMS})
    target_link_libraries(tidegate_${name} PUBLIC tidegate_${room})
  endforeach()
  target_link_libraries(tidegate_${name} PUBLIC ${ROOM_LIBS})
endfunction()

# tidegate_test(NAME SOURCES a_test.cpp ... ROOMS http ... LIBS ...)
#
# One GoogleTest program `test_NAME`, run by ctest as NAME with a time limit of 300 s. `./dev test` reads the labels: set
# LABELS to `threads` for the ThreadSanitizer run, `system` for the run against the release binary. It counts single
# cases from the JSON that each program leaves in test-results/.
function(tidegate_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;ROOMS;LIBS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_executable(test_${name} ${TEST_SOURCES})
  target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
  foreach(room ${TEST_ROOMS})
    target_link_libraries(test_${name} PRIVATE tidegate_${room})
  endforeach()
  target_link_libraries(test_${name} PRIVATE ${TEST_LIBS} GTest::gtest GTest::gtest_main GTest::gmock)
  if(TIDEGATE_SANITIZE)
    # Half of what a cold build took was the optimiser over instrumented tests: 46 s of CPU for four of them, 16 s without.
    target_compile_options(test_${name} PRIVATE -O0)
  endif()
  add_test(NAME ${name} COMMAND test_${name} --gtest_color=no)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT} ENVIRONMENT
    "TIDEGATE_SOURCE_DIR=${CMAKE_SOURCE_DIR};TIDEGATE_BINARY=${CMAKE_BINARY_DIR}/tidegate;\
GTEST_OUTPUT=json:${CMAKE_BINARY_DIR}/test-results/${name}.json")
endfunction()

# tidegate_split_debug(TARGET)
#
# Moves the debug symbols into TARGET.debug beside the program, where gdb and addr2line find them through the debug link.
# Only in the release preset, whose program is the one that is installed.
function(tidegate_split_debug target)
  if(NOT TIDEGATE_HARDEN)
    return()
  endif()
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} --only-keep-debug $<TARGET_FILE:${target}> $<TARGET_FILE:${target}>.debug
    COMMAND ${CMAKE_OBJCOPY} --strip-all --add-gnu-debuglink=$<TARGET_FILE:${target}>.debug $<TARGET_FILE:${target}>
    VERBATIM)
endfunction()
