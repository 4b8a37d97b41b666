# SPDX-License-Identifier: ISC
# Tests of the whole: a daemon in a temporary place, real clients, figures, pages.  Labels: dialog, attack, priv, fault,
# client, bench, project.
# A test in Python: wharf_test(NAME LABEL SECONDS SCRIPT ARGUMENTS...).  It exits with 77 when it needs root and is not.
function(wharf_test name label seconds)
	list(POP_FRONT ARGN script)
	add_test(NAME ${label}.${name} COMMAND ${PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${ARGN})
	set_tests_properties(${label}.${name} PROPERTIES LABELS ${label} TIMEOUT ${seconds} SKIP_RETURN_CODE 77
		ENVIRONMENT "WHARF_BUILD=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1;PYTHONUNBUFFERED=1;LC_ALL=C.UTF-8")
endfunction()

if(NOT TARGET wharfd)
	return()
endif()

file(GLOB dialogs CONFIGURE_DEPENDS dialog/*.dialog)
foreach(dialog ${dialogs})
	get_filename_component(name ${dialog} NAME_WE)
	foreach(mode root user)
		wharf_test(${mode}.${name} dialog 300 dialog/run.py ${mode} ${dialog})
	endforeach()
endforeach()
wharf_test(coverage dialog 60 dialog/coverage.py)

foreach(part a b c d e f g)
	foreach(mode root user)
		wharf_test(${mode}.${part} attack 900 attack/${part}.py ${mode})
	endforeach()
endforeach()

wharf_test(root priv 900 priv/priv.py root)
wharf_test(user priv 900 priv/priv.py user)
wharf_test(jail.root priv 900 priv/jail.py root)
wharf_test(jail.user priv 900 priv/jail.py user)
wharf_test(ports priv 900 priv/ports.py root)
# One at a time: ports 20 and 21, and a user of the system.
set_tests_properties(priv.root priv.ports PROPERTIES RUN_SERIAL ON)

pkg_check_modules(FUSE IMPORTED_TARGET fuse3)
if(FUSE_FOUND)
	add_executable(hangfs fault/hangfs.c)
	target_link_libraries(hangfs PRIVATE PkgConfig::FUSE)
	target_compile_definitions(hangfs PRIVATE _GNU_SOURCE)
endif()
foreach(mode root user)
	wharf_test(${mode} fault 900 fault/fault.py ${mode})
	wharf_test(thief.${mode} attack 900 attack/thief.py ${mode})
endforeach()
# Uploads: what befalls them, and whether their count is right.
wharf_test(uploads fault 900 fault/uploads.py root)
wharf_test(quota fault 900 fault/quota.py root)

# The load generator, and one round of each row of the benchmark.
add_executable(load bench/load.c bench/session.c bench/data.c bench/secure.c bench/loop.c bench/pattern.c bench/samples.c)
target_link_libraries(load PRIVATE wharf_flags PkgConfig::SSL PkgConfig::CRYPTO)
wharf_test(runs bench 300 bench/bench.py --short)

# What does not get better by sanitizers: large trees, figures, pages.
if(NOT WHARF_SANITIZE)
	foreach(tree website archive backup)
		wharf_test(${tree} client 900 client/trees.py ${tree})
		set_tests_properties(client.${tree} PROPERTIES RUN_SERIAL ON)
	endforeach()
	# Copies of whole disks.
	wharf_test(power fault 900 fault/power.py root)
	# Uploads that are cut, and a reader who sees none of it.
	foreach(part clients web)
		wharf_test(resume.${part} client 900 client/resume.py ${part})
	endforeach()
	# Real clients over TLS.
	foreach(part matrix mirror sizes)
		wharf_test(tls.${part} client 900 client/tls.py ${part})
		set_tests_properties(client.tls.${part} PROPERTIES RUN_SERIAL ON)
	endforeach()
	foreach(mode root user)
		wharf_test(names.${mode} client 900 client/names.py ${mode})
		wharf_test(segments.${mode} client 900 client/segments.py ${mode})
		wharf_test(early.${mode} client 900 client/early.py ${mode})
		wharf_test(hosts.${mode} client 900 client/hosts.py ${mode})
		wharf_test(drops.${mode} client 900 client/drops.py ${mode})
		wharf_test(links.${mode} client 900 client/links.py ${mode})
	endforeach()
	wharf_test(filezilla client 900 client/filezilla.py)
	set_tests_properties(client.filezilla PROPERTIES RUN_SERIAL ON)

	wharf_test(uploads bench 120 bench/uploads.py --short)
	wharf_test(fairness bench 300 bench/fairness.py --short)
	add_library(openat2 MODULE bench/openat2.c)
	target_compile_definitions(openat2 PRIVATE _GNU_SOURCE)
	target_compile_options(openat2 PRIVATE -Wall -Wextra)
	wharf_test(guard bench 300 bench/instructions.py)
	wharf_test(guard.bites bench 10 bench/instructions.py --prove)

	foreach(part man format tidy readme install)
		wharf_test(${part} project 600 project/${part}.py)
	endforeach()
	# What takes longest begins first, beside tests that mostly wait.
	set_tests_properties(project.tidy PROPERTIES COST 1000)
endif()
