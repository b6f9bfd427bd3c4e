"use strict";
document.querySelectorAll("button[data-copy]").forEach(function (button) {
  button.hidden = false;
  button.addEventListener("click", function () {
    var code = document.getElementById(button.dataset.copy);
    var done = function (word) {
      button.textContent = word;
      document.getElementById("told").textContent = word + ": " + code.textContent;
      window.setTimeout(function () { button.textContent = "Copy"; }, 2000);
    };
    var select = function () {
      var range = document.createRange();
      range.selectNodeContents(code);
      var selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      done("Selected");
    };
    if (navigator.clipboard) {
      navigator.clipboard.writeText(code.textContent).then(function () { done("Copied"); }, select);
    } else {
      select();
    }
  });
});
