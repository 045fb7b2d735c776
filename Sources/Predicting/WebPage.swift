// The page of a predictor: one document, one style sheet, one script, and nothing from elsewhere.
//
// It holds nothing of the model: the script asks `GET /model` and makes the form of the inputs that
// it finds, so the page is the same for every model, and needs no token itself.

internal import HTTPService

/// The files of the page, as answers.
enum WebPage {
    /// Nothing but its own script and style may run or be loaded.
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        + "img-src data:; base-uri 'none'; form-action 'none'"

    static let document = answer(documentText, type: "text/html; charset=utf-8")
    static let script = answer(scriptText, type: "text/javascript; charset=utf-8")
    static let style = answer(styleText, type: "text/css; charset=utf-8")

    private static func answer(_ text: String, type: String) -> HTTPResponse {
        var response = HTTPResponse.text(200, text, type: type)
        response.headers.add("Content-Security-Policy", policy)
        response.headers.add("Cache-Control", "no-cache")
        return response
    }

    private static let documentText = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Predictor</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="page.css">
        <script src="page.js" defer></script>
        </head>
        <body>
        <header>
        <div class="title"><h1 id="name">Predictor</h1><p id="architecture"></p></div>
        <p id="state" class="state" role="status">loading…</p>
        </header>
        <form id="access" class="card" hidden>
        <label for="token">This predictor asks for a token</label>
        <div class="row"><input id="token" type="password" autocomplete="off" required>
        <button>Go on</button></div>
        <p id="access-problem" class="problem" role="alert"></p>
        </form>
        <main id="main" hidden>
        <section class="card" aria-labelledby="predict-title">
        <h2 id="predict-title">Predict</h2>
        <form id="form" novalidate>
        <div id="fields" class="fields"></div>
        <p id="problem" class="problem" role="alert"></p>
        <div class="row"><button id="predict">Predict</button>
        <span id="time" class="quiet"></span></div>
        </form>
        <div id="result" class="result" aria-live="polite"></div>
        </section>
        <section class="card" id="compare-card" aria-labelledby="compare-title" hidden>
        <h2 id="compare-title">Find the nearest</h2>
        <form id="compare">
        <label for="query">Text</label><input id="query" required>
        <label for="candidates">Candidates, one a line</label>
        <textarea id="candidates" rows="5" required></textarea>
        <div class="row"><button>Compare</button></div>
        <p id="compare-problem" class="problem" role="alert"></p>
        </form>
        <div id="nearest" class="result" aria-live="polite"></div>
        </section>
        <section class="card" aria-labelledby="batch-title">
        <h2 id="batch-title">Predict a table</h2>
        <p class="quiet">A CSV file whose first line names the columns:
        <code id="columns"></code></p>
        <form id="batch">
        <label for="file">CSV file</label>
        <div class="row"><input id="file" type="file" accept=".csv,text/csv" required>
        <button>Predict all rows</button></div>
        <p id="batch-problem" class="problem" role="alert"></p>
        </form>
        <div id="table" class="result" aria-live="polite"></div>
        </section>
        <section class="card" aria-labelledby="card-title">
        <h2 id="card-title">Model</h2>
        <p id="summary"></p>
        <dl id="figures" class="figures"></dl>
        <dl id="facts"></dl>
        </section>
        <section class="card" id="history-card" aria-labelledby="history-title" hidden>
        <h2 id="history-title">Recent predictions</h2>
        <div class="scroll"><table><thead><tr><th scope="col">Time</th><th scope="col">Input</th>
        <th scope="col">Output</th><th scope="col">ms</th></tr></thead>
        <tbody id="history"></tbody></table></div>
        </section>
        </main>
        <noscript><p class="card">This page needs its script; POST /predict does not.</p></noscript>
        </body>
        </html>

        """
}
