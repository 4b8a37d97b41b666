// SPDX-License-Identifier: ISC
// Copyright (c) 2026 The wharfd authors
//
// node's basic-ftp as a client: see clients.py.
const path = require("path");
const fs = require("fs");
const ftp = require(path.join(__dirname, "../../build/cache/node/node_modules/basic-ftp"));

async function main() {
	const [host, port, user, password, , job, from, to] = process.argv.slice(2);
	const client = new ftp.Client(60000);
	await client.access({ host, port: Number(port), user, password, secure: false });
	const jobs = {
		put_tree: () => client.uploadFromDir(from, to),
		get_tree: () => client.downloadToDir(to, from),
		put_file: () => client.uploadFrom(from, to),
		get_file: () => client.downloadTo(to, from),
		resume_put: async () => client.appendFrom(from, to, { localStart: await client.size(to) }),
		resume_get: () => client.downloadTo(to, from, fs.statSync(to).size),
	};
	await jobs[job]();
	client.close();
}

main().catch((e) => {
	console.error(e);
	process.exit(1);
});
